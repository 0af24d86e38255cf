"""Reading and writing files: the only rooms besides bin/ that know paths."""
