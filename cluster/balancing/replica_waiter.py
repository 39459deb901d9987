"""Waiting for the first replica, on any event loop, while news of them come on any thread.

Flows in: whether there is one. Flows out: who waited is woken.
"""

import asyncio
from threading import Lock


class ReplicaWaiter:
    """`known` once anything was told."""

    def __init__(self) -> None:
        self.known = False
        self._there = False
        self._lock = Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def tell(self, *, there: bool) -> None:
        with self._lock:
            self.known, self._there = True, there
            woken = list(self._waiting) if there else []
        for loop, event in woken:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def wait(self, timeout_s: float) -> bool:
        """Whether one is there within that time; True at once while nothing is known."""
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            if not self.known or self._there:
                return True
            self._waiting.add(entry)
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiting.discard(entry)
        return True
