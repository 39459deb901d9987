"""Token ids to text, a few at a time.

In: ids as they are generated. Out: text that never splits a character. The texts given out, joined,
equal the decoding of all ids at once.
"""

import codecs
from collections.abc import Callable, Collection, Sequence
from typing import Protocol


class Detokenizer(Protocol):
    """One sequence's text so far; O(1) amortised a token."""

    def push(self, ids: Sequence[int]) -> str:
        """The whole characters that `ids` completed."""
        ...

    def flush(self) -> str:
        """What was left over at the end: U+FFFD for an unfinished character, else nothing."""
        ...


class ByteDetokenizer:
    """For tokenizers whose tokens are byte strings (byte-level BPE).

    Join and decode UTF-8 as it comes. `join` gives the bytes of several ids at once, where a
    tokenizer knows a faster way than one by one.
    """

    def __init__(
        self,
        token_bytes: Callable[[int], bytes],
        skip: Collection[int],
        join: Callable[[Sequence[int]], bytes] | None = None,
    ) -> None:
        self._bytes = token_bytes
        self._skip = skip
        self._join = join or self._one_by_one
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, ids: Sequence[int]) -> str:
        return self._utf8.decode(self._join(ids))

    def flush(self) -> str:
        return self._utf8.decode(b"", final=True)

    def _one_by_one(self, ids: Sequence[int]) -> bytes:
        return b"".join([self._bytes(token) for token in ids if token not in self._skip])


class WindowDetokenizer:
    """For any tokenizer (sentencepiece style, WordPiece).

    Decode a short window twice and take the difference. A token's text may depend on the token
    before it (leading spaces), so the window starts one batch back. The prefix-offset algorithm of
    text-generation-inference (server/text_generation_server/models/model.py, `decode_token`) and of
    vLLM. A character has at most 4 bytes, so U+FFFD that stands after `_PATIENCE` tokens is the
    model's own and is let through. Tokens without text (special ones) leave the window after as
    many, so that a window has a bounded length whatever a model writes.
    """

    _PATIENCE = 16

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._window: list[int] = []
        self._read = 0

    def push(self, ids: Sequence[int]) -> str:
        text = ""
        for token in ids:
            text += self._step(token)
        return text

    def flush(self) -> str:
        return self._decode(self._window)[len(self._before()) :]

    def _step(self, token: int) -> str:
        self._window.append(token)
        text, before = self._decode(self._window), self._before()
        recent = len(self._window) - self._read < self._PATIENCE
        if recent and (len(text) <= len(before) or text.endswith("\ufffd")):
            return ""
        if len(text) <= len(before):
            del self._window[self._read :]
            return ""
        self._window = self._window[self._read :]
        self._read = len(self._window)
        return text[len(before) :]

    def _before(self) -> str:
        return self._decode(self._window[: self._read])
