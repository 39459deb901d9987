"""A stream of bytes in slices: what came is cut where a stored part ends, and checked on the way.

Flows in: chunks of one request's body, of any size. Flows out: one async iterator a slice.
"""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from deployments.video.uploads.upload import ChecksumMismatch, UploadTooLong

ALGORITHMS = ("sha1", "sha256", "md5")  # in our order of preference


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a client says the whole piece hashes to; `algorithm` is one of ALGORITHMS."""

    algorithm: str
    digest: bytes

    @classmethod
    def of(cls, algorithm: str, data: bytes) -> "Checksum":
        return cls(algorithm, hashlib.new(algorithm, data, usedforsecurity=False).digest())

    def __str__(self) -> str:
        return f"{self.algorithm} {base64.b64encode(self.digest).decode()}"


class PartSplitter:
    """Cuts `chunks` every `size` bytes. A piece with a checksum is one slice, whatever its size,
    because nothing of it may be kept before all of it was seen.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], room: int, size: int, checksum: Checksum | None = None
    ) -> None:
        """`room` is how many bytes may come in all."""
        self._chunks = chunks
        self._room, self._limit = room, room
        self._size = size
        self._checksum = checksum
        self._hash = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self._left = b""
        self._ended = False

    async def has_next(self) -> bool:
        """Whether another slice begins; waits for its first bytes. Raises as the chunks do."""
        while not self._left and not self._ended:
            await self._pull()
        return bool(self._left)

    async def slice(self) -> AsyncIterator[bytes]:
        """Raises OverLength, ChecksumMismatch, and as the chunks do."""
        taken = 0
        while await self.has_next():
            most = len(self._left) if self._checksum else self._size - taken
            chunk, self._left = self._left[:most], self._left[most:]
            taken += len(chunk)
            yield chunk
            if not self._checksum and taken == self._size:
                return
        self.check()

    def check(self) -> None:
        """Once all has come. Raises ChecksumMismatch."""
        if self._checksum and self._hash and self._hash.digest() != self._checksum.digest:
            raise ChecksumMismatch(self._checksum.algorithm)

    async def _pull(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            self._ended = True
            return
        self._room -= len(chunk)
        if self._room < 0:
            raise UploadTooLong(self._limit)
        if self._hash:
            self._hash.update(chunk)
        self._left = chunk
