"""Signals that ask asrkit to stop: one line, exit status 128 + number, nothing left behind. Loads nothing that is slow to import."""

import _thread
import contextlib
import os
import signal
import sys
import time

# What is said of each. Windows has the first and the last, other systems the first three.
WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up", "SIGBREAK": "interrupted"}
NUMBERS = {signal.Signals[name]: word for name, word in WORDS.items() if name in signal.Signals.__members__}
INSIST_S = 0.5
PATIENCE_S = (
    10.0  # who has not ended by then, in foreign code that does not return, is ended without cleaning up
)

_main: list[int] = []  # the thread that hears signals
_working: list[str] = []  # the commands that run now; while there are none, nothing has to be cleaned up
_stopped: list[int] = []  # the first signal that came while one ran


class Stopped(KeyboardInterrupt):
    """A signal, raised so that temporary files and processes go on the way out; `args[0]` is its number."""


def watch():
    """Let the signals end this process in one line, from now on; those that are ignored (nohup, `&`) stay ignored."""
    _main[:] = [_thread.get_ident()]
    for number in NUMBERS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


@contextlib.contextmanager
def raised(name):
    """While the block runs, which works under the name of a command, raise signals as `Stopped` in the main thread.

    The exception can be lost or turned into another on its way, in finalizers, callbacks and libraries of C: it is
    raised again as long as the block lasts and none is under way, and whatever the block ends with is `Stopped`.
    """
    hook = sys.unraisablehook
    # Once stopped, what finalizers say of objects that are half made tells nobody anything.
    sys.unraisablehook = lambda lost: None if _stopped else hook(lost)
    _stopped.clear()
    _working.append(name)
    try:
        try:
            yield
        finally:
            _working.pop()
            if not _stopped:
                sys.unraisablehook = hook
    finally:
        if _stopped:
            raise Stopped(_stopped[0]) from None


def end(status):
    """Hear no more signals where one has been told; give the exit status back."""
    if status > 128:
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)
    return status


def told(number, name="asrkit"):
    """The one line."""
    return f"{name}: {NUMBERS[number]}"


def _leave(number, name="asrkit"):
    with contextlib.suppress(OSError):  # a terminal that is gone hears nothing
        os.write(2, f"{told(number, name)}\n".encode())
    os._exit(128 + number)


def _stop(number, frame):
    if _stopped:  # it is on its way already, unless it was lost
        if not _working or _under_way():
            return
        raise Stopped(_stopped[0])
    _stopped.append(number)
    if not _working:
        _leave(number)
    # Not by threading, whose locks the main thread may hold.
    _thread.start_new_thread(_insist, (number, _working[-1]))
    raise Stopped(number)


def _under_way():
    """Whether the main thread is leaving its blocks because of a signal: cleaning up must not be cut short."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Stopped):
        error = error.__context__
    return error is not None


def _insist(number, name):
    ends_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_s:
        time.sleep(INSIST_S)
        if os.name == "posix":
            signal.pthread_kill(_main[0], number)  # wakes a main thread that waits, too
        else:
            _thread.interrupt_main(number)
    _leave(number, name)
