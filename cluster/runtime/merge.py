"""Several async generators as one.

In: generators. Out: their items in the order they come, each source in turn.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Ready: TypeAlias = asyncio.Queue[tuple[T, asyncio.Semaphore] | BaseException | None]


async def merge(sources: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """Yield from all sources until the last one ends; the first error ends them all.

    A source is not advanced before its last item was consumed, so a fast source cannot displace a
    slow one. Closing the result closes every source.
    """
    if len(sources) == 1:
        async with aclosing(sources[0]) as source:
            async for item in source:
                yield item
        return
    ready: Ready[T] = asyncio.Queue()
    tasks = [asyncio.create_task(_pump(source, ready)) for source in sources]
    running = len(tasks)
    try:
        while running:
            entry = await ready.get()
            if isinstance(entry, BaseException):
                raise entry
            if entry is None:
                running -= 1
            else:
                item, consumed = entry
                consumed.release()
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: AsyncGenerator[T, None], ready: Ready[T]) -> None:
    consumed = asyncio.Semaphore(0)
    try:
        async with aclosing(source):
            async for item in source:
                await ready.put((item, consumed))
                await consumed.acquire()
        await ready.put(None)
    except Exception as error:  # noqa: BLE001 - raised again by the consumer
        await ready.put(error)
