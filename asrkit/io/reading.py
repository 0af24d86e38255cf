"""The one place where what a library raises over a broken file becomes a DataError that names the file."""

import contextlib
from collections.abc import Iterator

from asrkit.errors import DataError, StoreError


@contextlib.contextmanager
def reading(name: object, what: str, remedy: str = "make it anew, or copy it again") -> Iterator[None]:
    """Turn every exception of the block into a DataError, a SettingsError of what the file holds, too; a DataError or a StoreError passes,
    and an OSError that names a file itself.

    Which types a reader raises changes from release to release: a new one must not become a traceback.

    Parameters
    ----------
    name : path or str
        The file, as the message begins.
    what : str
        What it should have been: "no .npy file", "cut off or damaged".
    remedy : str
        Put in brackets at the end.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, (DataError, StoreError)) or (
            isinstance(error, OSError) and error.filename is not None
        ):
            raise
        why = next(iter(str(error).splitlines()), "") or type(error).__name__
        if isinstance(error, KeyError):
            why = f"{why} is missing"
        raise DataError(f"{name}: {what}: {why[:200]} ({remedy})") from None
