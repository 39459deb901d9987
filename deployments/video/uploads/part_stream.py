"""Splits a request's body into stored parts, and verifies its checksum.

Flows in: chunks of one request's body, of any size. Flows out: one async iterator for each part.
"""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from deployments.video.uploads.upload import ChecksumMismatch, UploadTooLong

ALGORITHMS = ("sha1", "sha256", "md5")  # in our order of preference


@dataclass(frozen=True, slots=True)
class Checksum:
    """The client's checksum of the body; `algorithm` is one of ALGORITHMS."""

    algorithm: str
    digest: bytes

    @classmethod
    def of(cls, algorithm: str, data: bytes) -> "Checksum":
        return cls(algorithm, hashlib.new(algorithm, data, usedforsecurity=False).digest())

    def __str__(self) -> str:
        return f"{self.algorithm} {base64.b64encode(self.digest).decode()}"


class PartSplitter:
    """Splits `chunks` every `size` bytes. A body with a checksum is one part of any size, because
    nothing may be stored before all of it was verified.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        max_bytes: int,
        size: int,
        checksum: Checksum | None = None,
    ) -> None:
        """The body may have at most `max_bytes`."""
        self._chunks = chunks
        self._remaining, self._limit = max_bytes, max_bytes
        self._size = size
        self._checksum = checksum
        self._hash = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self._buffer = b""
        self._ended = False

    async def has_next(self) -> bool:
        """Whether there is another part; waits for its first bytes. Raises as the chunks do."""
        while not self._buffer and not self._ended:
            await self._pull()
        return bool(self._buffer)

    async def next_part(self) -> AsyncIterator[bytes]:
        """Raises UploadTooLong, ChecksumMismatch, and as the chunks do."""
        taken = 0
        while await self.has_next():
            size = len(self._buffer) if self._checksum else self._size - taken
            chunk, self._buffer = self._buffer[:size], self._buffer[size:]
            taken += len(chunk)
            yield chunk
            if not self._checksum and taken == self._size:
                return
        self.check()

    def check(self) -> None:
        """After the last chunk. Raises ChecksumMismatch."""
        if self._checksum and self._hash and self._hash.digest() != self._checksum.digest:
            raise ChecksumMismatch(self._checksum.algorithm)

    async def _pull(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            self._ended = True
            return
        self._remaining -= len(chunk)
        if self._remaining < 0:
            raise UploadTooLong(self._limit)
        if self._hash:
            self._hash.update(chunk)
        self._buffer = chunk
