"""The one place where what a library raises over a broken file becomes a DataError that names the file."""

import contextlib
from collections.abc import Iterator

from asrkit.errors import AsrkitError, DataError


@contextlib.contextmanager
def reading(name: object, what: str, remedy: str = "make it anew, or copy it again") -> Iterator[None]:
    """Turn every exception of the block into a DataError; asrkit's own and the system's (OSError) pass.

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
    except (AsrkitError, OSError):
        raise
    except Exception as error:
        why = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(f"{name}: {what}: {why[:200]} ({remedy})") from None
