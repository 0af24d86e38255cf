"""The two ways a command can refuse: the data or the work failed (exit 1), or the usage was wrong (exit 2)."""


class DataError(Exception):
    """The data or the work failed; the message names file, key and remedy in one line."""


class UsageError(Exception):
    """The command was called wrongly: unknown option, impossible value."""
