"""Names of utterances, words, phones and folds as names of files, on every system."""

import os

from asrkit.errors import DataError

# What some system does not have in a name, or takes for the end of a folder's; % too, so that no two names are alike.
ESCAPED = {letter: f"%{ord(letter):02X}" for letter in ["%", *'/\\<>:"|?*', *map(chr, range(32)), "\x7f"]}
DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10)),
}


def file_name(name):
    """Turn a name into one that a file can have, and that does not lead out of the folder.

    Examples
    --------
    >>> file_name("anna-no")
    'anna-no'
    >>> file_name("../why?")
    '..%2Fwhy%3F'
    >>> file_name("con.1")  # a device on Windows, whatever follows the dot
    '%63on.1'
    """
    escaped = "".join(ESCAPED.get(letter, letter) for letter in name)
    if escaped.partition(".")[0].upper() in DEVICES:
        return f"%{ord(escaped[0]):02X}{escaped[1:]}"
    return escaped


def check_alike(names, path_of):
    """Refuse names whose files, which are there, are one to the file system: those that differ in case alone, on some.

    Parameters
    ----------
    names : iterable of str
    path_of : callable
        Name to path.

    Raises
    ------
    DataError
    """
    first = {}
    for name in names:
        other = first.setdefault(name.casefold(), name)
        if other != name and os.path.samefile(path_of(other), path_of(name)):
            raise DataError(
                f"{path_of(name)}: is the file of '{other}', too: the system does not tell capitals (rename one)"
            )
