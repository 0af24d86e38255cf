"""What commands print: lines of the library, its parameters written as options."""

from asrkit.config import in_flags

_flags: dict[str, str] = {}


def speak_flags(flags):
    """Set the options of the command that runs: dict of parameter to flag."""
    _flags.clear()
    _flags.update(flags)


def in_words(text):
    """A text of the library as the command line says it."""
    return in_flags(text, _flags, between=" ")


def say(lines):
    """Print lines to standard output."""
    for line in lines:
        print(in_words(line))
