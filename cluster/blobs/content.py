"""What is to be stored, however it is given, as blocks of one size."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

from cluster.blobs import local
from cluster.blobs.store import BLOCK

Content = AsyncIterable[bytes] | bytes | Path


def length_of(content: Content) -> int | None:
    """Bytes, where that is known before they are read."""
    if isinstance(content, Path):
        return content.lstat().st_size
    return len(content) if isinstance(content, bytes) else None


async def iter_blocks(content: Content) -> AsyncIterator[bytes]:
    """Blocks of BLOCK bytes; the last is shorter. Raises InvalidRequest for an irregular file."""
    if isinstance(content, Path):
        async for block in _of_file(content):
            yield block
    elif isinstance(content, bytes):
        for at in range(0, len(content), BLOCK):
            yield content[at : at + BLOCK]
    else:
        async for block in _gathered(content):
            yield block


async def _of_file(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(local.open_regular, file) as source:
        while block := await asyncio.to_thread(source.read, BLOCK):
            yield block


async def _gathered(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= BLOCK:
            yield bytes(held[:BLOCK])
            del held[:BLOCK]
    if held:
        yield bytes(held)
