"""How an operation that writes keeps its answer under its request's Idempotency-Key.

Flows in: a transaction and the answer. Flows out: both written, or neither, so that a process
killed in between cannot make the request run twice. idempotency.py says how it is kept.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

Keep = Callable[[AsyncConnection, Mapping[str, Any]], Awaitable[None]]
current_keep: ContextVar[Keep | None] = ContextVar("current_keep", default=None)


async def store_response(connection: AsyncConnection, answer: Mapping[str, Any]) -> None:
    """Does nothing for a request without a key. Raises Conflict where another request under the key
    took over; then the transaction must fail.
    """
    keep = current_keep.get()
    if keep is not None:
        await keep(connection, answer)
