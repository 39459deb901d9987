"""Server-sent events out of a body that arrives in pieces.

In: bytes, cut anywhere. Out: events (their name and data). After "Server-sent events", WHATWG HTML
section 9.2.6; `id` and `retry` are ignored, an unfinished event at the end is dropped, as there.
Memory is bounded by `max_event` bytes.
"""

from collections.abc import Iterator

_BOM = b"\xef\xbb\xbf"
MAX_EVENT = 1 << 20


class EventTooLarge(Exception):
    """One event has more than the most bytes."""


class SseParser:
    """Parses one stream. `feed` raises EventTooLarge."""

    __slots__ = (
        "_begun",
        "_data",
        "_line",
        "_line_size",
        "_max_event",
        "_name",
        "_size",
        "_skip_lf",
    )

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._line: list[bytes] = []  # the pieces of an unfinished line
        self._line_size = 0
        self._data: list[bytes] = []
        self._name = b""
        self._size = 0  # of the lines of the present event
        self._begun = False
        self._skip_lf = False  # the last piece ended with a carriage return

    def feed(self, piece: bytes) -> list[tuple[str, bytes]]:
        """The events that end in this piece: name (empty: none) and data."""
        if self._skip_lf and piece:
            self._skip_lf = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._skip_lf = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = piece.split(b"\n")
        rest = lines.pop()
        events: list[tuple[str, bytes]] = []
        if lines:
            if self._line:
                lines[0] = b"".join((*self._line, lines[0]))
                self._line, self._line_size = [], 0
            events += self._events(lines)
        if rest:
            self._line.append(rest)
            self._line_size += len(rest)
            self._check(self._line_size)
        return events

    def _events(self, lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
        if not self._begun:
            self._begun = True
            lines[0] = lines[0].removeprefix(_BOM)
        for line in lines:
            if line:
                self._size += len(line)
                self._check(0)
                self._field(line)
                continue
            data, name = self._data, self._name
            self._data, self._name, self._size = [], b"", 0
            if data:
                joined = data[0] if len(data) == 1 else b"\n".join(data)
                yield name.decode(errors="replace"), joined

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ")

    def _check(self, more: int) -> None:
        if self._size + more > self._max_event:
            raise EventTooLarge
