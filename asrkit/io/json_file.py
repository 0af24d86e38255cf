"""JSON that is read back: its numbers are finite and have 64 bits, and what a reader needs of it has the type it needs."""

import json

from asrkit.config import parse_float, parse_int
from asrkit.errors import DataError
from asrkit.io.files import read_bytes
from asrkit.io.reading import reading


def loads(text):
    """Parse JSON, of which Python's own module would take any number.

    Raises
    ------
    Exception
        Of several types: it is no JSON, too deep, or holds NaN, an infinity or a number beyond 64 bits.
    """
    return json.loads(text, parse_int=parse_int, parse_float=parse_float, parse_constant=parse_float)


def read_object(path, needed, maker):
    """Read a JSON file of one object.

    Parameters
    ----------
    path : path
    needed : dict of str to type
        The keys that it must have, and what they hold: float (any number), int, str, dict, `[type]` for a list of any length,
        `[type, type]` for a pair, `{str: type}` for an object of any keys, or a tuple of what it may be.
    maker : str
        The command that writes the file.

    Returns
    -------
    dict

    Raises
    ------
    DataError
        It is missing, no JSON, or lacks a key or has another type under it.
    """
    try:
        content = read_bytes(path)
    except DataError as error:
        raise DataError(f"{error} ({maker} makes it)") from None
    with reading(path, "no JSON", f"{maker} makes it anew"):
        facts = loads(content.decode("utf-8"))
    return checked(facts, needed, path, f"{maker} makes it anew")


def checked(facts, needed, where, remedy):
    """Refuse, by a DataError, facts without the keys and types `needed`, as `read_object` does; returns them."""
    for key, form in needed.items():
        if not isinstance(facts, dict) or key not in facts:
            raise DataError(f'{where}: nothing under "{key}" ({remedy})')
        if not _fits(facts[key], form):
            raise DataError(f'{where}: what stands under "{key}" is not what should ({remedy})')
    return facts


def _fits(value, form):
    if isinstance(form, tuple):
        return any(_fits(value, one) for one in form)
    if isinstance(form, list):
        forms = form if len(form) > 1 else form * len(value) if isinstance(value, list) else []
        return isinstance(value, list) and len(value) == len(forms) and all(map(_fits, value, forms))
    if isinstance(form, dict):
        return isinstance(value, dict) and all(_fits(one, form[str]) for one in value.values())
    return type(value) in ((int, float) if form is float else (form,))
