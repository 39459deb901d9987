"""Compressed request bodies, decoded while they are received (RFC 9110 section 8.4.1).

In: a request whose `Content-Encoding` names a coding. Out: the request without that header, and a
`receive` that decodes. A body is decoded in steps of at most CHUNK_BYTES (zlib's codings) or 4 MiB
(zstd), so a body that expands without end is refused at its limit.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import zstandard
from starlette.types import Message, Receive, Scope

from cluster.runtime.problems import Malformed, PayloadTooLarge, UnsupportedEncoding

CHUNK_BYTES = 64 << 10
# A zstd block of 4 bytes can decode to 128 KiB (RFC 8878 section 3.1.1.2.2): 4 MiB a step.
STEP_BYTES = 128
MAX_WINDOW = 8 << 20  # bytes of history, as RFC 9659 bounds it for HTTP


class Decoder(Protocol):
    """Decodes one body. `feed` and `end` raise Malformed."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The bytes that `chunk` decodes to."""
        ...

    def end(self) -> None:
        """Check that the body is complete."""
        ...


class _Zlib:
    """gzip (RFC 1952); deflate in zlib's format (RFC 1950), or raw as some clients send it."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream = None if coding == "deflate" else zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._header = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        data = self._buffer_header(chunk)
        stream = self._stream
        if stream is None:
            return
        while data and not stream.eof:
            try:
                decoded = stream.decompress(data, CHUNK_BYTES)
            except zlib.error:
                raise _damaged(self._coding) from None
            data = stream.unconsumed_tail
            if decoded:
                yield decoded
        if data or stream.unused_data:
            raise _malformed(f"The body continues after the end of its {self._coding} stream.")

    def end(self) -> None:
        if self._stream is None or not self._stream.eof:
            raise _malformed(f"The body ends before its {self._coding} stream.")

    def _buffer_header(self, chunk: bytes) -> bytes:
        """The bytes to decode now; the first two show which form of deflate it is."""
        if self._stream is not None:
            return chunk
        self._header += chunk
        if len(self._header) < 2:
            return b""
        header = int.from_bytes(self._header[:2], "big")
        is_zlib = self._header[0] & 0x0F == zlib.DEFLATED and header % 31 == 0
        self._stream = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        return self._header


class _Zstd:
    """zstd (RFC 8878), one frame."""

    def __init__(self) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._stream = decompressor.decompressobj()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        for start in range(0, len(chunk), STEP_BYTES):
            if self._stream.eof:
                raise _malformed("The body continues after the end of its zstd frame.")
            try:
                decoded = self._stream.decompress(chunk[start : start + STEP_BYTES])
            except zstandard.ZstdError:
                raise _damaged("zstd") from None
            if decoded:
                yield decoded
        if self._stream.eof and self._stream.unused_data:
            raise _malformed("The body continues after the end of its zstd frame.")

    def end(self) -> None:
        if not self._stream.eof:
            raise _malformed("The body ends before its zstd frame.")


CODINGS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: _Zlib("gzip"),
    "x-gzip": lambda: _Zlib("gzip"),
    "deflate": lambda: _Zlib("deflate"),
    "zstd": _Zstd,
}
ACCEPTED = ("gzip", "deflate", "zstd")  # as the header Accept-Encoding names them
_IDENTITY = ("", "identity")
_CODING, _LENGTH = b"content-encoding", b"content-length"
_CHUNKED = (b"transfer-encoding", b"chunked")


def decode_body(
    scope: Scope,
    receive: Receive,
    max_bytes: int,
    too_large: Callable[[int], PayloadTooLarge],
) -> tuple[Scope, Receive]:
    """The request as routes read it: decoded, bounded by `max_bytes`, without Content-Encoding.

    Raises UnsupportedEncoding (415) for an unknown coding and for several codings. The `receive`
    raises Malformed (422) where the body does not match its coding, and `too_large`.
    """
    values = [value for name, value in scope["headers"] if name == _CODING]
    coding = b",".join(values).decode("latin-1").strip().lower()
    headers = [header for header in scope["headers"] if header[0] != _CODING]
    if coding in _IDENTITY:
        return {**scope, "headers": headers}, receive
    if coding not in CODINGS:
        raise UnsupportedEncoding(coding, ACCEPTED)
    # The length of the decoded body is not known.
    headers = [header for header in headers if header[0] not in (_LENGTH, _CHUNKED[0])]
    decoded = _DecodedBody(receive, CODINGS[coding](), max_bytes, too_large)
    return {**scope, "headers": [*headers, _CHUNKED]}, decoded


class _DecodedBody:
    """A `receive` that decodes a body chunk by chunk, as the application receives it."""

    def __init__(
        self,
        receive: Receive,
        decoder: Decoder,
        max_bytes: int,
        too_large: Callable[[int], PayloadTooLarge],
    ) -> None:
        self._receive = receive
        self._decoder = decoder
        self._max_bytes = max_bytes
        self._too_large = too_large
        self._chunks: Iterator[bytes] = iter(())
        self._decoded_bytes = 0
        self._is_received = False

    async def __call__(self) -> Message:
        while (chunk := next(self._chunks, None)) is None:
            if self._is_received:
                return await self._receive()  # the client's disconnect
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._chunks = self._decoder.feed(message.get("body", b""))
            if not message.get("more_body", False):
                self._is_received = True
                self._chunks = self._last_chunks(self._chunks)
        self._decoded_bytes += len(chunk)
        if self._decoded_bytes > self._max_bytes:
            raise self._too_large(self._max_bytes)
        is_last = self._is_received and not chunk
        return {"type": "http.request", "body": chunk, "more_body": not is_last}

    def _last_chunks(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The last chunks, and an empty one that ends the body (no other chunk is empty)."""
        yield from chunks
        self._decoder.end()
        yield b""


def _damaged(coding: str) -> Malformed:
    return _malformed(f"The body is not {coding}, though Content-Encoding says so.")


def _malformed(detail: str) -> Malformed:
    return Malformed.at("", detail, "invalid-content-coding")
