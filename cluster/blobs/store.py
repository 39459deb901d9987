"""The bytes of tenants' files, by location in a folder or a bucket.

In: a folder or URL. Out: bytes; BlobStoreUnavailable if the store cannot be used, FileNotFoundError
for a missing object. Within one file system, files are linked instead of copied. Knows nothing of
tenants. A bucket should have a rule that ends uploads which were begun and never completed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.blobs import local
from cluster.blobs.errors import BlobStoreUnavailable
from cluster.storage.object_store import ERRORS, ObjectStore, RemoteTimeouts

if TYPE_CHECKING:  # obstore has these as types only
    from obstore import AsyncWritableFile

BLOCK = 1 << 20  # bytes that are handed out at once
REMOTE_BLOCK = 8 * BLOCK  # bytes of one request
PARTS_AT_ONCE = 4  # of one upload to a bucket

_TIMEOUTS = RemoteTimeouts(
    request_s=60.0, connect_s=5.0, retries=4, retries_s=30.0, allow_http=True
)
_ABANDONED = "*/??/*#*"  # tenant, first digits, and the draft of an object, as obstore names it

log = logging.getLogger(__name__)


class BlobWriter:
    """Writes the bytes of one location; they are there after `finish`, or not at all."""

    def __init__(self, writer: "AsyncWritableFile") -> None:
        self._writer = writer

    async def write(self, block: bytes) -> None:
        with _translated(writing=True):
            await self._writer.write(block)

    async def finish(self) -> None:
        with _translated(writing=True):
            await self._writer.close()


class BlobStore:
    """`where` is a folder, made at once, or a URL that obstore knows (`s3://bucket/prefix`; any
    other raises its BaseError); credentials come from the environment as their vendors define it.
    """

    def __init__(self, where: str) -> None:
        self._store = ObjectStore(where, _TIMEOUTS, mode=0o700)
        self.folder = self._store.folder

    def writing(self, location: str) -> BlobWriter:
        """Replaces the object at `location`, once it is finished."""
        with _translated():
            return BlobWriter(self._store.writer(location, REMOTE_BLOCK, PARTS_AT_ONCE))

    async def read(self, location: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, which must be there, in blocks."""
        size = REMOTE_BLOCK if self.folder is None else BLOCK
        for offset in range(start, end, size):
            with _translated():
                content = await self._store.read_range(location, offset, min(offset + size, end))
            for within in range(0, len(content), BLOCK):
                yield content[within : within + BLOCK]

    async def take(self, file: Path, location: str) -> bool:
        """Whether `file` could be linked to `location` without copying it."""
        if self.folder is None:
            return False
        with _translated():
            return await asyncio.to_thread(local.link_in, file, self.folder / location)

    async def fetch(self, location: str, size: int, file: Path) -> None:
        """Put the first `size` bytes, which are all, into `file` in one step. If they are linked,
        the file may be read only: a change of it would change what is stored.
        """
        with _translated():
            linked = self.folder is not None and await asyncio.to_thread(
                local.link_out, self.folder / location, file
            )
            if not linked:
                await local.write(self.read(location, 0, size), file)

    async def delete(self, locations: Sequence[str]) -> None:
        """Delete the objects that are there."""
        with _translated():
            await self._store.delete(locations)

    async def list_older_than(self, folder: str, before: float) -> AsyncIterator[list[str]]:
        """Locations under `folder` that were written before then (Unix seconds), some at a time."""
        listing = self._store.list(folder)
        while True:
            with _translated():
                some = await anext(listing, None)
            if some is None:
                return
            yield [each.path for each in some if each.modified < before]

    async def clear_abandoned(self, folder: str, before: float) -> None:
        """Delete what processes that were killed left half written under a local folder."""
        await asyncio.to_thread(self._store.clear_abandoned, f"{folder}/{_ABANDONED}", before)


@contextmanager
def _translated(*, writing: bool = False) -> Iterator[None]:
    """Errors as BlobStoreUnavailable. While writing, a missing file is the store itself."""
    try:
        yield
    except ERRORS as error:
        if isinstance(error, FileNotFoundError) and not writing:
            raise
        log.warning("the file store cannot be used: %s", str(error).partition("\n")[0])
        raise BlobStoreUnavailable from error
