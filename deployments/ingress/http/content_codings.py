"""Compressed bodies, decoded as they arrive and in bounded steps (RFC 9110 section 8.4.1).

Flows in: chunks of a body in one coding. Flows out: pieces of what it holds, of at most PIECE_BYTES
(zlib's codings) or 4 MiB (zstd), so that whoever counts them can stop a body that grows without
measure. Knows no HTTP.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import zstandard

from cluster.runtime.problems import Malformed

PIECE_BYTES = 64 << 10
# A zstd block of 4 bytes can stand for 128 KiB (RFC 8878 section 3.1.1.2.2): 4 MiB a step.
STEP_BYTES = 128
MAX_WINDOW = 8 << 20  # bytes of history, as RFC 9659 bounds it for HTTP


class Decoder(Protocol):
    """One body's. `feed` and `end` raise Malformed."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What has come to light with `chunk`."""
        ...

    def end(self) -> None:
        """The body is over."""
        ...


class _Zlib:
    """gzip (RFC 1952), and deflate: zlib's format (RFC 1950), or bare as some clients send it."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream = None if coding == "deflate" else zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._start = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        data = self._started(chunk)
        stream = self._stream
        if stream is None:
            return
        while data and not stream.eof:
            try:
                piece = stream.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise _damaged(self._coding) from None
            data = stream.unconsumed_tail
            if piece:
                yield piece
        if data or stream.unused_data:
            raise _malformed(f"The body goes on behind the end of its {self._coding} stream.")

    def end(self) -> None:
        if self._stream is None or not self._stream.eof:
            raise _malformed(f"The body ends before its {self._coding} stream.")

    def _started(self, chunk: bytes) -> bytes:
        """What to decode; two bytes tell which form of deflate it is."""
        if self._stream is not None:
            return chunk
        self._start += chunk
        if len(self._start) < 2:
            return b""
        head = int.from_bytes(self._start[:2], "big")
        is_zlib = self._start[0] & 0x0F == zlib.DEFLATED and head % 31 == 0
        self._stream = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        return self._start


class _Zstd:
    """zstd (RFC 8878), one frame."""

    def __init__(self) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._stream = decompressor.decompressobj()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        for start in range(0, len(chunk), STEP_BYTES):
            if self._stream.eof:
                raise _malformed("The body goes on behind the end of its zstd frame.")
            try:
                piece = self._stream.decompress(chunk[start : start + STEP_BYTES])
            except zstandard.ZstdError:
                raise _damaged("zstd") from None
            if piece:
                yield piece
        if self._stream.eof and self._stream.unused_data:
            raise _malformed("The body goes on behind the end of its zstd frame.")

    def end(self) -> None:
        if not self._stream.eof:
            raise _malformed("The body ends before its zstd frame.")


CODINGS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: _Zlib("gzip"),
    "x-gzip": lambda: _Zlib("gzip"),
    "deflate": lambda: _Zlib("deflate"),
    "zstd": _Zstd,
}
ACCEPTED = ("gzip", "deflate", "zstd")  # of CODINGS, as the field Accept-Encoding names them


def _damaged(coding: str) -> Malformed:
    return _malformed(f"The body is not {coding}, though Content-Encoding says so.")


def _malformed(detail: str) -> Malformed:
    return Malformed.at("", detail, "invalid-content-coding")
