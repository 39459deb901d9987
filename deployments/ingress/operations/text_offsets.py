"""Where each token of a choice begins in its text, in characters.

In: the text of a choice, piece by piece, and the bytes of its tokens. Out: `text_offset` of
OpenAI's older form. A token that is not in the text (a special one) has the place where it would
be; one that begins within a character has the place of that character.
"""

from collections.abc import Sequence

_CONTINUES, _MASK = 0x80, 0xC0  # of a byte of UTF-8 that begins no character


class TextOffsets:
    """The text of one choice so far."""

    def __init__(self) -> None:
        self._unmatched = b""  # text of which no token is known yet
        self._owed = b""  # of a token whose text has only begun
        self._characters = 0  # that have begun before

    def add(self, text: str, tokens: Sequence[bytes]) -> list[int]:
        """The offsets of `tokens`, whose text begins in this piece."""
        encoded = self._unmatched + text.encode()
        start = position = self._paid(encoded)
        offsets: list[int] = []
        for raw in tokens:
            is_within = bool(raw) and raw[0] & _MASK == _CONTINUES
            offsets.append(max(0, self._characters - is_within))
            here = encoded[position : position + len(raw)]
            if self._characters == 0 and not raw.startswith(here):
                raw = raw.removeprefix(b" ")  # of a text's first word, which some tokenizers strip
                here = encoded[position : position + len(raw)]
            if here == raw:
                position += len(raw)
            elif here and raw.startswith(here):
                self._owed = raw[len(here) :]
                position = len(encoded)
            else:
                continue
            self._characters += _characters(raw)
        if tokens and position == start:  # none of these tokens is in the text
            self._characters += _characters(encoded[position:])
            position = len(encoded)
        self._unmatched = encoded[position:]
        return offsets

    def _paid(self, encoded: bytes) -> int:
        """The bytes of a piece that belong to a token before it."""
        if encoded.startswith(self._owed):
            paid, self._owed = len(self._owed), b""
        elif self._owed.startswith(encoded):
            paid, self._owed = len(encoded), self._owed[len(encoded) :]
        else:
            paid, self._owed = 0, b""
        return paid


def _characters(encoded: bytes) -> int:
    """Those that begin in these bytes."""
    return sum((byte & _MASK) != _CONTINUES for byte in encoded)
