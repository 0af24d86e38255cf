"""The errors that asrkit raises: one root, `AsrkitError`, and what was at fault below it."""

import reprlib


class AsrkitError(Exception):
    """The root of all errors that asrkit raises on purpose; the message is one line and says what to do.

    Examples
    --------
    >>> import asrkit
    >>> try:
    ...     asrkit.train("data/train", num_states=0)
    ... except asrkit.AsrkitError as error:
    ...     print(error)
    num_states=0 is less than 1
    """


class DataError(AsrkitError):
    """The data or the work failed; the message names file or argument, what was found and the remedy."""


class SettingsError(AsrkitError, ValueError):
    """A setting has a value that it can't have; the message writes parameters as `name=value`."""


class UsageError(AsrkitError):
    """The command line was used wrongly: an unknown option, an impossible combination. Raised in `asrkit.cli` only."""


def told(value: object) -> str:
    """Write an argument, shortened, and its type, as errors have it: `3 (int)`."""
    text = reprlib.repr(value).replace("\n", " ")
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
