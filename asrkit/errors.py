"""The errors that asrkit raises: one root, `AsrkitError`, and what was at fault below it."""

import re
import reprlib

# What would break a line of a terminal or be no character at all
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LONGEST = 2000  # characters of a message: a file may hold a line of any length


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

    def __init__(self, message: str, *lines: str) -> None:
        """`lines` follow below the message, as the end of a log does."""
        super().__init__(*map(printable, (message, *lines)))

    def __str__(self) -> str:
        return "\n  ".join(map(str, self.args))


class DataError(AsrkitError):
    """The data or the work failed; the message names file or argument, what was found and the remedy."""


class StoreError(AsrkitError):
    """A store far away refuses or does not answer. It is no DataError: no item is at fault, none is skipped for it, and the
    command goes on when it is run again.
    """


class SettingsError(AsrkitError, ValueError):
    """A setting has a value that it can't have; the message writes parameters as `name=value`."""


class UsageError(AsrkitError):
    """The command line was used wrongly: an unknown option, an impossible combination. Raised in `asrkit.cli` only."""


def printable(text: str) -> str:
    """Write control characters as escapes and leave out the middle of what is very long.

    Examples
    --------
    >>> printable("a\\0b.ark")
    'a\\\\x00b.ark'
    """
    text = CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 600]} ... {text[-500:]}"


def told(value: object) -> str:
    """Write an argument, shortened, and its type, as errors have it: `3 (int)`."""
    text = reprlib.repr(value).replace("\n", " ")
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
