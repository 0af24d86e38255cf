"""What asrkit's log would say of a recording goes to who sent it."""

import contextlib
import logging
import threading
from collections.abc import Iterator

_own = threading.local()
_log = logging.getLogger("asrkit")
MOST = 20


def _take(record: logging.LogRecord) -> bool:
    notes: list[str] | None = vars(_own).get("notes")
    if notes is None:
        return True
    if len(notes) < MOST:
        notes.append(record.getMessage())
    return False


_log.addFilter(_take)


@contextlib.contextmanager
def noting() -> Iterator[list[str]]:
    """Gather what this Python thread logs while the block runs, in place of printing it."""
    _own.notes = []
    try:
        yield _own.notes
    finally:
        _own.notes = None
