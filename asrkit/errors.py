"""The errors that asrkit raises: one root, `AsrkitError`, and what was at fault below it."""

import reprlib


class AsrkitError(Exception):
    """The root of all errors that asrkit raises on purpose; the message is one line and says what to do."""


class DataError(AsrkitError):
    """The data or the work failed; the message names file or argument, what was found and the remedy."""


class SettingsError(AsrkitError, ValueError):
    """A setting has a value that it can't have; the message writes parameters as `name=value`."""


class UsageError(AsrkitError):
    """The command line was used wrongly: an unknown option, an impossible combination. Raised in `asrkit.cli` only."""


def told(value: object) -> str:
    """Write an argument, shortened, and its type, as errors have it: `3 (int)`."""
    return f"{reprlib.repr(value)} ({type(value).__name__})".replace("\n", " ")
