"""A folder or a bucket: objects by path, written completely or not at all. The one user of obstore.

In: a folder or URL. Out: bytes and listings. Raises obstore's errors, OSError and TimeoutError;
FileNotFoundError for a missing object. Knows nothing of what the objects are.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url
from obstore.store import ObjectStore as Store

if TYPE_CHECKING:  # obstore has these as types only
    from obstore import AsyncWritableFile
    from obstore.store import ClientConfig, RetryConfig

ERRORS = (BaseError, OSError, TimeoutError)  # of a store that cannot be used

LISTED_AT_ONCE, DELETED_AT_ONCE = 500, 500


class ObjectMeta(NamedTuple):
    """One object; `modified` is Unix seconds."""

    modified: float
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class RemoteTimeouts:
    """Of a bucket; a folder needs none. `allow_http`: an endpoint in the operator's own network may
    have no certificate."""

    request_s: float
    connect_s: float
    retries: int
    retries_s: float
    allow_http: bool = False

    def open(self, url: str) -> Store:
        retries: RetryConfig = {
            "max_retries": self.retries,
            "retry_timeout": timedelta(seconds=self.retries_s),
        }
        client: ClientConfig = {
            "timeout": timedelta(seconds=self.request_s),
            "connect_timeout": timedelta(seconds=self.connect_s),
        }
        if self.allow_http:
            client["allow_http"] = True
        return from_url(url, retry_config=retries, client_options=client)


def store_location(where: str, home: Path) -> str:
    """`where`, if it is a URL; else the folder of that name in `home`."""
    return where if "://" in where else str(home / where)


class ObjectStore:
    """`where` is a folder, made when first used, or a URL that obstore knows (any other raises its
    BaseError); credentials come from the environment as their vendors define it.
    """

    def __init__(self, where: str, timeouts: RemoteTimeouts, mode: int = 0o777) -> None:
        """`mode` is that of a new folder, which may fail to be made with an OSError."""
        if "://" in where:
            obstore.parse_scheme(where)
        self._where = where
        self._timeouts = timeouts
        self._mode = mode
        self._opened: Store | None = None

    @property
    def folder(self) -> Path | None:
        """The local folder; None for a bucket."""
        store = self.open()
        prefix = store.prefix if isinstance(store, LocalStore) else None
        return None if prefix is None else Path(prefix)

    def open(self) -> Store:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    async def read(self, path: str, largest: int) -> bytes | None:
        """The object; None if it is missing, no bytes of one that is larger than `largest`."""
        store = self.open()
        try:
            result = await obstore.get_async(store, path)
        except FileNotFoundError:
            return None
        return b"" if result.meta["size"] > largest else bytes(await result.bytes_async())

    async def read_range(self, path: str, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`. Raises FileNotFoundError if any is missing."""
        content = await obstore.get_range_async(self.open(), path, start=start, end=end)
        if len(content) != end - start:
            raise FileNotFoundError(f"the object has lost bytes: {path}")
        return bytes(content)

    async def write(self, path: str, content: bytes) -> None:
        await obstore.put_async(self.open(), path, content)

    def writer(self, path: str, part_bytes: int, parts_at_once: int) -> "AsyncWritableFile":
        """Writes an object in parts, which is there once the writer is closed."""
        return obstore.open_writer_async(
            self.open(), path, buffer_size=part_bytes, max_concurrency=parts_at_once
        )

    async def list(self, folder: str | None = None) -> AsyncIterator[Sequence[ObjectMeta]]:
        """The objects, of `folder` or all, some at a time."""
        prefix = None if folder is None else f"{folder}/"
        async for some in obstore.list(self.open(), prefix=prefix, chunk_size=LISTED_AT_ONCE):
            yield [
                ObjectMeta(each["last_modified"].timestamp(), each["size"], each["path"])
                for each in some
            ]

    async def delete(self, paths: Sequence[str]) -> None:
        """Delete the objects that are there."""
        store = self.open()
        for start in range(0, len(paths), DELETED_AT_ONCE):
            some = list(paths[start : start + DELETED_AT_ONCE])
            try:
                await obstore.delete_async(store, some)
            except FileNotFoundError:
                for path in some:
                    with suppress(FileNotFoundError):
                        await obstore.delete_async(store, path)

    def clear_abandoned(self, pattern: str, before: float) -> None:
        """Delete files of a local folder that match `pattern` and were last written before then
        (Unix seconds): what processes that were killed left half written. Blocks."""
        for file in self.folder.glob(pattern) if self.folder is not None else ():
            with suppress(OSError):
                if file.stat().st_mtime < before:
                    file.unlink()

    def _open(self) -> Store:
        if "://" not in self._where:
            folder = Path(self._where).absolute()
            folder.mkdir(mode=self._mode, parents=True, exist_ok=True)
            return LocalStore(folder)
        if self._where.startswith("file:"):
            return from_url(self._where, mkdir=True)
        return self._timeouts.open(self._where)
