"""Work off the loop that serves: one thread a kind of work, and only so much that waits for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asrkit.runtime import one_thread
from asrkit.web.limits import Refused


class Lane:
    """One thread, in whose order work is done; what finds too much before it is refused."""

    def __init__(self, name: str, most: int) -> None:
        """
        Parameters
        ----------
        name : str
        most : int
            Calls that are under way or wait.
        """
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"asrkit-{name}")
        self._most, self._busy = most, 0

    @property
    def full(self) -> bool:
        return self._busy >= self._most

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function; a Refused, 503, where too many wait. Who stops waiting does not stop the work."""
        if self.full:
            raise Refused(503, "busy: too much waits already (try again in a second)")
        self._busy += 1
        work = asyncio.get_running_loop().run_in_executor(self._pool, _alone, function, args)
        work.add_done_callback(self._done)
        return await asyncio.shield(work)

    def begin(self, function: Callable[[], Any]) -> None:
        """Call a function before all that comes, and wait for nothing."""
        self._pool.submit(_alone, function, ())

    def _done(self, work: "asyncio.Future[Any]") -> None:
        self._busy -= 1
        if not work.cancelled():
            work.exception()  # that nobody waits for it any more is no news

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _alone(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    with one_thread():
        return function(*args)
