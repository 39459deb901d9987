"""Tasks that belong to no request: work that several of them share, or that outlives the one that
began it.

A task copies the context in which it is made. Ray Serve keeps the request in there, and when its
client leaves, it cancels every call of a deployment that was made in that context, whoever waits
for it by now (ray/serve/_private/replica.py, `_on_request_cancelled`).
"""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


def create_detached_task(
    work: Coroutine[Any, Any, T],
    *,
    name: str | None = None,
    loop: asyncio.AbstractEventLoop | None = None,
) -> asyncio.Task[T]:
    """A task in an empty context, on the running event loop or on `loop`. Keep a reference to it:
    the loop holds none."""
    return (loop or asyncio.get_running_loop()).create_task(work, name=name, context=Context())


def is_cancelled_here() -> bool:
    """Whether it is the current task that was asked to end, and not something that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
