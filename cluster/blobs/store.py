"""A folder or a bucket: bytes by location, written wholly or not at all.

In: a folder or URL. Out: bytes; BlobsDown when the place cannot be used, FileNotFoundError for what
is not there. Where both are in one file system, files go in and out as hard links. Knows nothing of
tenants. A bucket should have a rule that ends uploads which were begun and never completed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from cluster.blobs import local
from cluster.blobs.errors import BlobStoreUnavailable

if TYPE_CHECKING:  # obstore has these as types only
    from obstore import AsyncWritableFile
    from obstore.store import ClientConfig, RetryConfig

BLOCK = 1 << 20  # bytes that are handed out at once
REMOTE_PIECE = 8 * BLOCK  # bytes of one request
PARTS_AT_ONCE = 4  # of one upload to a bucket
LISTED_AT_ONCE = 500

_RETRIES: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
_CLIENT: "ClientConfig" = {
    "timeout": timedelta(seconds=60),
    "connect_timeout": timedelta(seconds=5),
    "allow_http": True,  # an endpoint in the operator's own network may have no certificate
}

log = logging.getLogger(__name__)


class BlobWriter:
    """Bytes on their way to one location; they are there after `finish`, or not at all."""

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
        self._store = _opened(where)
        prefix = self._store.prefix if isinstance(self._store, LocalStore) else None
        self.folder = None if prefix is None else Path(prefix)

    def writing(self, location: str) -> BlobWriter:
        """Replaces what is at `location`, once it is finished."""
        with _translated():
            return BlobWriter(
                obstore.open_writer_async(
                    self._store, location, buffer_size=REMOTE_PIECE, max_concurrency=PARTS_AT_ONCE
                )
            )

    async def read(self, location: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, which must be there, in blocks."""
        size = REMOTE_PIECE if self.folder is None else BLOCK
        for at in range(start, end, size):
            piece = await self._piece(location, at, min(at + size, end))
            for within in range(0, len(piece), BLOCK):
                yield piece[within : within + BLOCK]

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
        """Those that are there."""
        if not locations:
            return
        with _translated():
            try:
                await obstore.delete_async(self._store, list(locations))
            except FileNotFoundError:
                for each in locations:
                    with suppress(FileNotFoundError):
                        await obstore.delete_async(self._store, each)

    async def list_older_than(self, folder: str, before: float) -> AsyncIterator[list[str]]:
        """Locations under `folder` that were written before then (Unix seconds), some at a time."""
        listing = obstore.list(self._store, prefix=f"{folder}/", chunk_size=LISTED_AT_ONCE)
        while True:
            with _translated():
                some = await anext(listing, None)
            if some is None:
                return
            yield [each["path"] for each in some if each["last_modified"].timestamp() < before]

    async def clear_abandoned(self, folder: str, before: float) -> None:
        """Drop what processes that were killed left half written under a local folder."""
        if self.folder is not None:
            await asyncio.to_thread(local.clear_abandoned, self.folder / folder, before)

    async def _piece(self, location: str, start: int, end: int) -> bytes:
        with _translated():
            found = await obstore.get_range_async(self._store, location, start=start, end=end)
        if len(found) != end - start:
            raise FileNotFoundError(f"the object has lost bytes: {location}")
        return bytes(found)


@contextmanager
def _translated(*, writing: bool = False) -> Iterator[None]:
    """What is missing when something is written is the store itself."""
    try:
        yield
    except (BaseError, OSError) as error:
        if isinstance(error, FileNotFoundError) and not writing:
            raise
        log.warning("the file store cannot be used: %s", str(error).partition("\n")[0])
        raise BlobStoreUnavailable from error


def _opened(where: str) -> ObjectStore:
    if "://" not in where:
        folder = Path(where).absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(folder)
    if where.startswith("file:"):
        return from_url(where, mkdir=True)
    return from_url(where, retry_config=_RETRIES, client_options=_CLIENT)
