"""An ordered map over the workers of Dask: blocks of a second, in a window that bounds memory, results in order."""

import contextlib
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import count
from typing import Any

from asrkit.engines.worker import Done, Work, keep, run, tell, versions
from asrkit.errors import AsrkitError, DataError
from asrkit.runtime import log_level

GOAL_S = 1.0  # of work in a task: an empty one takes 4 ms of the scheduler and 15 ms from end to end
BLOCK_BYTES = 8 << 20  # of items in a task, where these are small
WINDOW_BYTES = 256 << 20  # of items on their way, but one for each thread
AHEAD = 2  # tasks on their way for each thread: one runs, one waits
RETRIES = 2  # of what raises; how often a worker may die of a task is the scheduler's
POLL_S = 1.0
IDLE_S = 60.0  # without any worker, until that is an error

KEPT = "what was finished is kept: the same command goes on"

_numbers = count()


class DaskMap:
    """What `runtime.backend` takes.

    Parameters
    ----------
    client : distributed.Client
    name : str
        The scheduler, for messages.
    remedy : str
        What to do where a worker is killed.
    goal_s, idle_s : float
    """

    def __init__(
        self, client: Any, name: str, *, remedy: str, goal_s: float = GOAL_S, idle_s: float = IDLE_S
    ) -> None:
        self._client, self.name, self._remedy = client, name, remedy
        self._goal_s, self._idle_s = goal_s, idle_s
        self._threads, self._asked_s, self._alive_s = 1, -math.inf, time.monotonic()

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Yield `function(item)` for every item, in their order.

        Who closes the generator cancels what is on its way; a task that runs is not waited for.
        """
        from distributed.protocol.pickle import dumps

        work = Work(dumps(function), os.getcwd(), log_level(), versions())
        left = len(items) if isinstance(items, Sized) else sys.maxsize
        packed = (dumps(item) for item in items)
        sent: deque[tuple[Any, int]] = deque()  # futures, and how large their items are
        size, kept, more = 1, self._submit(keep, work), True
        self._alive_s = time.monotonic()
        try:
            while True:
                while more and self._room(sent):
                    block = _block(packed, min(size, math.ceil(left / (AHEAD * self._threads))))
                    more, left = bool(block), left - len(block)
                    if more:
                        sent.append((self._submit(run, kept, block), sum(map(len, block))))
                if not sent:
                    return
                seconds, done = self._wait(sent[0][0])
                del sent[0]
                size = max(1, min(4 * size, int(self._goal_s * len(done) / max(seconds, 1e-6))))
                for one in done:
                    tell(one.records)
                    _raise_of(one)
                    yield one.result
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._client.cancel([kept, *(future for future, _ in sent)], force=True)

    def width(self) -> int:
        """Count the workers' threads."""
        self._ask()
        return self._threads

    def _submit(self, function: Callable, *arguments: Any) -> Any:
        key = f"asrkit-{function.__name__}-{os.getpid()}-{next(_numbers)}-{os.urandom(8).hex()}"
        try:
            return self._client.submit(function, *arguments, key=key, pure=False, retries=RETRIES)
        except Exception as error:
            raise self._lost(error) from None

    def _room(self, sent: deque[tuple[Any, int]]) -> bool:
        if time.monotonic() - self._asked_s > POLL_S:
            self._ask()
        full = sum(size for _, size in sent) >= WINDOW_BYTES and len(sent) >= self._threads
        return len(sent) < AHEAD * self._threads + 1 and not full

    def _ask(self) -> None:
        """How many threads the workers have now."""
        try:
            threads = sum(self._client.nthreads().values())
        except Exception as error:
            raise self._lost(error) from None
        self._asked_s = time.monotonic()
        if threads:
            self._threads, self._alive_s = threads, self._asked_s
        elif self._asked_s - self._alive_s > self._idle_s:
            raise DataError(f"{self.name}: no worker for {self._idle_s:g} s (start some; {KEPT})")

    def _wait(self, future: Any) -> tuple[float, list[Done]]:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed import TimeoutError as Late  # another one before Python 3.11

        while True:
            try:
                return future.result(timeout=POLL_S)
            except (Late, TimeoutError):
                self._ask()
            except KilledWorker as error:
                raise DataError(
                    f"{self.name}: worker {error.last_worker.address} was killed, the last of {error.allowed_failures + 1} "
                    f"that died of the same work: out of memory? ({self._remedy}; {KEPT})"
                ) from None
            except MemoryError as error:
                raise DataError(f"{self.name}: out of memory: {error} ({self._remedy}; {KEPT})") from None
            except (CancelledError, OSError) as error:
                raise self._lost(error) from None

    def _lost(self, error: BaseException) -> DataError:
        if self._client.status == "running":  # it is there, but knows nothing of the work
            return DataError(f"{self.name}: the scheduler has dropped the work, as after a restart ({KEPT})")
        return DataError(f"{self.name}: the scheduler went away ({KEPT})")


def _block(packed: Iterator[bytes], most: int) -> list[bytes]:
    """The next items, as many as asked for, or as fit."""
    block: list[bytes] = []
    while len(block) < max(most, 1) and sum(map(len, block)) < BLOCK_BYTES:
        item = next(packed, None)
        if item is None:
            break
        block.append(item)
    return block


def _raise_of(one: Done) -> None:
    if one.error is None:
        return
    if isinstance(one.error, AsrkitError):
        raise one.error
    raise one.error from RuntimeError(f"in a worker:\n{one.trace}")
