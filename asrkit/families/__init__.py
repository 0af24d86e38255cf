"""The model families: one file each, with one subclass of `asrkit.families.base.Family`, whose name is the file's.

Examples
--------
>>> from asrkit import families
>>> "chmm" in families.names()
True
"""

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING

from asrkit.errors import SettingsError

if TYPE_CHECKING:
    from asrkit.families.base import Family


def names() -> list[str]:
    """Every family, in alphabetic order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


@functools.cache
def load(name: str) -> "Family":
    """Get the family of that name.

    Returns
    -------
    Family

    Raises
    ------
    SettingsError
        There is none of that name.

    Examples
    --------
    >>> from asrkit import families
    >>> families.load("chmm").has_states
    True
    """
    if name not in names():
        raise SettingsError(f"family={name!r} is none of {', '.join(names())}")
    from asrkit.families.base import Family

    module = importlib.import_module(f"asrkit.families.{name}")
    own = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Family) and kind.__module__ == module.__name__
    ]
    return own[0]()
