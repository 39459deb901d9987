"""Forms with files (multipart/form-data, RFC 7578), parsed while they are received.

In: the chunks of a body. Out: its parts in order, each a stream, so a file is stored while it is
received. Small chunks are joined first, because the parser and what follows it have a cost per
chunk: bytes that arrive one by one would take minutes. At most GATHERED bytes and one chunk are
buffered.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from cluster.runtime.problems import InvalidRequest, Malformed, Problem, UnsupportedMedia

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM = "multipart/form-data"
MAX_PARTS = 16
MAX_CONTENT_TYPE = 1_024  # characters of the field; a boundary has 70 at most
GATHERED = 64 << 10  # bytes that are parsed at a time
_PART_END = None  # among the bytes of a part
logging.getLogger("python_multipart").setLevel(logging.ERROR)  # else a line for each bad form
_Event = bytes | None | dict[str, str]


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field; its `chunks` are read before the next part."""

    name: str
    filename: str | None
    content_type: str
    chunks: AsyncIterator[bytes]

    async def whole(self, limit: int) -> bytes:
        """All bytes of a small part. Raises InvalidRequest over `limit` bytes."""
        data = bytearray()
        async for chunk in self.chunks:
            data += chunk
            if len(data) > limit:
                raise InvalidRequest(
                    f"{self.name}: is over {limit} bytes.", param=self.name, limit=limit
                )
        return bytes(data)

    async def bounded(
        self, limit: int, too_large: Callable[[int], Problem]
    ) -> AsyncIterator[bytes]:
        """The chunks of a large part. Raises what `too_large` makes of `limit`, over as many
        bytes."""
        received = 0
        async for chunk in self.chunks:
            received += len(chunk)
            if received > limit:
                raise too_large(limit)
            yield chunk


class MultipartForm:
    """The parts of one body."""

    def __init__(self, body: AsyncIterator[bytes], content_type: str) -> None:
        """Raises UnsupportedMedia, Malformed (no boundary, a Content-Type that is too long)."""
        if len(content_type) > MAX_CONTENT_TYPE:
            raise Malformed.at("", "The form's Content-Type is too long.", "invalid-form")
        kind, options = parse_options_header(content_type)
        if kind != FORM.encode():
            raise UnsupportedMedia(content_type or "(none)", (FORM,))
        self._body = body
        self._events: deque[_Event] = deque()
        self._headers: dict[str, str] = {}
        self._field, self._value = b"", b""
        self._has_ended = False
        try:
            self._parser = MultipartParser(options.get(b"boundary", b""), self._callbacks())
        except FormParserError as error:
            raise Malformed.at("", f"The form's boundary: {error}.", "invalid-form") from None
        if not options.get(b"boundary"):
            raise Malformed.at("", "The form names no boundary.", "invalid-form")

    async def parts(self) -> AsyncIterator[FormPart]:
        """Raises Malformed, and what the body raises. Unread bytes of a part are skipped."""
        for _ in range(MAX_PARTS):
            headers = await self._next()
            if not isinstance(headers, dict):
                return
            part = _part(headers, self._bytes())
            yield part
            async for _chunk in part.chunks:
                pass
        if await self._next() is not None:
            raise Malformed.at("", f"The form has over {MAX_PARTS} parts.", "invalid-form")

    async def _bytes(self) -> AsyncIterator[bytes]:
        while True:
            event = await self._next()
            if not isinstance(event, bytes):
                return
            yield event

    async def _next(self) -> _Event:
        """The next event; None ends a part, and the form."""
        while not self._events and not self._has_ended:
            chunk = await self._read()
            if not chunk:
                raise Malformed.at("", "The form ends before its last boundary.", "invalid-form")
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise Malformed.at("", f"The form is malformed: {error}.", "invalid-form") from None
        return self._events.popleft() if self._events else None

    async def _read(self) -> bytes:
        """The next GATHERED bytes of the body, fewer at its end, none after it."""
        chunks, length = [], 0
        while length < GATHERED and (chunk := await anext(self._body, None)) is not None:
            chunks.append(chunk)
            length += len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": lambda: self._events.append(dict(self._headers)),
            "on_part_data": lambda data, start, end: self._events.append(data[start:end]),
            "on_part_end": lambda: self._events.append(_PART_END),
            "on_end": self._on_end,
        }

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._field, self._value = b"", b""

    def _on_end(self) -> None:
        self._has_ended = True


def _part(headers: dict[str, str], chunks: AsyncIterator[bytes]) -> FormPart:
    """File names are UTF-8, as browsers and curl send them."""
    kind, options = parse_options_header(headers.get("content-disposition", ""))
    name = options.get(b"name")
    if kind != b"form-data" or not name:
        raise Malformed.at("", "A part of the form has no name.", "invalid-form")
    filename = options.get(b"filename")
    name_shown = None if filename is None else filename.decode("utf-8", "replace")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return FormPart(name.decode("utf-8", "replace"), name_shown, content_type, chunks)
