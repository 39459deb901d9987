"""Settles calls that were given up, after their callers have left.

In: what will say a call's usage, and what to do with it. Each waits in a task and a context of its
own: that of the request has ended, and Serve cancels what is called in it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context

from cluster.runtime.problems import Problem
from deployments.contracts.generation import TokenUsage

_CLOSING_S = 5.0

logger = logging.getLogger("mobula.ingress")


class Settlements:
    """Use it on one event loop; close it before what records usage."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """Calls whose usage is not known yet."""
        return len(self._tasks)

    def add(
        self, usage: Awaitable[TokenUsage], settle: Callable[[TokenUsage | None], None]
    ) -> None:
        """Call `settle` once, with the usage, or None where nobody can say it."""
        task = asyncio.create_task(self._run(usage, settle), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for those that are open, for some seconds; settle the rest without an answer."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(tuple(self._tasks), timeout=_CLOSING_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _run(
        self, usage: Awaitable[TokenUsage], settle: Callable[[TokenUsage | None], None]
    ) -> None:
        found: TokenUsage | None = None
        try:
            found = await usage
        except Problem as problem:
            logger.warning("the usage of a call that was given up is not known: %s", problem.detail)
        except Exception:
            logger.exception("the usage of a call that was given up is not known")
        finally:
            settle(found)
