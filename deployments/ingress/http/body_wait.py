"""A bounded wait for the first piece of a body, for next to nothing.

A timeout of its own costs each request as much as the rest of its fast answer; here one timer looks
after all requests that wait.
"""

import asyncio
from dataclasses import dataclass

from starlette.types import Message, Receive


@dataclass(slots=True, eq=False)
class _Wait:
    """One request's."""

    task: "asyncio.Task[object]"
    started: float
    is_over: bool = False


class BodyWait:
    """Gives up a wait after `limit_s` seconds, and before twice as many have passed."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._waits: dict[_Wait, None] = {}  # in order of their start
        self._timer: asyncio.TimerHandle | None = None

    async def first(self, receive: Receive) -> Message | None:
        """The first message, or None where it did not come: nothing of it was taken then."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        wait = _Wait(task, loop.time())
        self._waits[wait] = None
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._look, loop)
        try:
            return await receive()
        except asyncio.CancelledError:
            if wait.is_over and task.uncancel() == 0:
                return None
            raise
        finally:
            del self._waits[wait]

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        latest = loop.time() - self._limit_s
        for wait in self._waits:
            if wait.started > latest:
                break
            if not wait.is_over:
                wait.is_over = True
                wait.task.cancel()
        self._timer = loop.call_later(self._limit_s, self._look, loop) if self._waits else None
