"""How good is it? Errors, intervals, tests, searches over settings."""
