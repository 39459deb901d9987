"""The TextRelay of one streamed response: pieces of text as the server-sent events of an operation.

In: the form of an operation's events, and pieces of text. Out: events, written at once. It takes
nothing before three parties have agreed: the pipeline (nobody else needs the chunks), the operation
(it has a form for the choice), and the response, whose first event has been sent.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import orjson

TEXT_MARK = "\0text\0"  # stands for the text in the form of an event


class PartWriter(Protocol):
    """`ResponseWriter` (http/response_writer.py)."""

    @property
    def is_writable(self) -> bool: ...

    def write(self, part: bytes) -> None: ...


class ResponseRelay:
    """Implements `TextRelay`. `tokens` and `pieces` count what it has taken. `is_ending`: the
    events that follow are the last, without a wait between them.
    """

    __slots__ = ("_forms", "is_allowed", "is_ending", "pieces", "tokens", "writer")

    def __init__(self) -> None:
        self.is_allowed = self.is_ending = False
        self.writer: PartWriter | None = None
        self.tokens = self.pieces = 0
        self._forms: dict[int, tuple[bytes, bytes]] = {}

    def knows(self, index: int) -> bool:
        """Whether there is a form for the choice."""
        return index in self._forms

    def add_form(self, index: int, event: Mapping[str, Any]) -> None:
        """The event of a piece of choice `index`, with TEXT_MARK as its text; no text of others
        comes after it."""
        before, _, after = orjson.dumps(event).rpartition(orjson.dumps(TEXT_MARK))
        self._forms[index] = b"data: " + before, after + b"\n\n"

    def takes(self, index: int) -> bool:
        writer = self.writer
        return (
            writer is not None and self.is_allowed and index in self._forms and writer.is_writable
        )

    def take(self, index: int, text: str, tokens: int) -> None:
        before, after = self._forms[index]
        self.tokens += tokens
        self.pieces += 1
        if self.writer is not None:
            self.writer.write(before + orjson.dumps(text) + after)
