"""A folder or a bucket: objects by path, listed by age, deleted though another was faster.

In: a folder or URL. Out: bytes, and the oldest objects. Raises obstore's errors, OSError and
TimeoutError. Knows nothing of what the objects are, nor of how many there may be.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

if TYPE_CHECKING:  # obstore has these as types only
    from obstore.store import ClientConfig, RetryConfig

LISTED_AT_ONCE, DELETED_AT_ONCE = 200, 500
ABANDONED_S = 3600.0

_RETRIES: "RetryConfig" = {"max_retries": 1, "retry_timeout": timedelta(seconds=2)}
_CLIENT: "ClientConfig" = {
    "timeout": timedelta(seconds=10),
    "connect_timeout": timedelta(seconds=1),
}


@dataclass(frozen=True, slots=True, order=True)
class ObjectMeta:
    """One object; `modified` is Unix seconds."""

    modified: float
    size: int
    path: str


class CacheObjectStore:
    """`where` is a folder, made when first used, or a URL that obstore knows (any other raises its
    BaseError); credentials come from the environment as their vendors define it.
    """

    def __init__(self, where: str) -> None:
        if "://" in where:
            obstore.parse_scheme(where)
        self._where = where
        self._opened: ObjectStore | None = None

    async def read(self, path: str, largest: int) -> bytes | None:
        """The object; None when it is missing, nothing of one that is larger than `largest`."""
        try:
            found = await obstore.get_async(self._store(), path)
        except FileNotFoundError:
            return None
        return b"" if found.meta["size"] > largest else bytes(await found.bytes_async())

    async def write(self, path: str, blob: bytes) -> None:
        """All of it or nothing."""
        await obstore.put_async(self._store(), path, blob)

    async def listed(self) -> AsyncIterator[ObjectMeta]:
        async for some in obstore.list(self._store(), chunk_size=LISTED_AT_ONCE):
            for meta in some:
                yield ObjectMeta(meta["last_modified"].timestamp(), meta["size"], meta["path"])

    async def oldest(self, total: int) -> list[ObjectMeta]:
        """The fewest oldest objects that hold `total` bytes; no more than those are in memory."""
        newest_first: list[tuple[float, ObjectMeta]] = []
        size = 0
        async for held in self.listed():
            heapq.heappush(newest_first, (-held.modified, held))
            size += held.size
            while size - newest_first[0][1].size >= total:
                size -= heapq.heappop(newest_first)[1].size
        return [held for _, held in newest_first]

    async def delete(self, paths: Sequence[str]) -> None:
        """Those that are there."""
        for at in range(0, len(paths), DELETED_AT_ONCE):
            some = list(paths[at : at + DELETED_AT_ONCE])
            try:
                await obstore.delete_async(self._store(), some)
            except FileNotFoundError:
                await self._delete_each(some)

    async def clear_abandoned(self, now: float) -> None:
        """Drop what processes that were killed left half written; obstore lists it nowhere."""
        store = self._store()
        if isinstance(store, LocalStore) and store.prefix is not None:
            await asyncio.to_thread(_clear_abandoned, Path(store.prefix), now - ABANDONED_S)

    async def _delete_each(self, paths: list[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store(), path)

    def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = _opened(self._where)
        return self._opened


def _opened(where: str) -> ObjectStore:
    if "://" not in where:
        return LocalStore(Path(where).absolute(), mkdir=True)
    if where.startswith("file:"):
        return from_url(where, mkdir=True)
    return from_url(where, retry_config=_RETRIES, client_options=_CLIENT)


def _clear_abandoned(folder: Path, before: float) -> None:
    for file in folder.glob("??/*#*"):
        with suppress(OSError):
            if file.stat().st_mtime < before:
                file.unlink()
