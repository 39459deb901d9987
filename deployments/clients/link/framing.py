"""Frames on a byte stream: a length, a version byte, a payload.

In: pieces of a byte stream, split anywhere. Out: whole payloads in order, or a typed error. It does
no I/O.

A frame is the length of its payload (4 bytes, big-endian), VERSION (1 byte) and the payload, one
msgpack message (frames.py). The version changes only if this layout does; what peers may say
otherwise is negotiated by features (options.py).
"""

import struct

from deployments.clients.link.errors import FramingFault, LinkFault, UnsupportedVersion

VERSION = 1
HEADER = struct.Struct(">IB")


def frame(payload: bytes) -> bytes:
    """The bytes of one frame. The caller keeps the limit."""
    return HEADER.pack(len(payload), VERSION) + payload


class PayloadDecoder:
    """Incremental. After a fault it gives no more payloads; `fault` tells it.

    `limit` is in bytes of payload. It may be raised once the peer is known. At most one frame and
    one piece of the stream are held.
    """

    __slots__ = ("_missing", "_parts", "fault", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.fault: LinkFault | None = None
        self._parts: list[bytes] = []
        self._missing = HEADER.size

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completes: those before a fault too."""
        if self.fault is not None:
            return []
        self._missing -= len(data)
        if self._missing > 0:
            self._parts.append(data)
            return []
        if self._parts:
            self._parts.append(data)
            data = b"".join(self._parts)
        return self._split(data)

    def _split(self, data: bytes) -> list[bytes]:
        payloads: list[bytes] = []
        position, size = 0, len(data)
        missing = HEADER.size
        while size - position >= HEADER.size:
            length, version = HEADER.unpack_from(data, position)
            if not self._allows(length, version):
                self._parts = []
                return payloads
            begin = position + HEADER.size
            end = begin + length
            if end > size:
                missing = end - position
                break
            payloads.append(data[begin:end])
            position = end
        self._parts = [data[position:]] if position < size else []
        self._missing = missing - (size - position)
        return payloads

    def _allows(self, length: int, version: int) -> bool:
        if version != VERSION:
            self.fault = UnsupportedVersion(f"frame version {version}; this is {VERSION}")
        elif not 0 < length <= self.limit:
            self.fault = FramingFault(f"a frame of {length} bytes; the limit is {self.limit}")
        return self.fault is None
