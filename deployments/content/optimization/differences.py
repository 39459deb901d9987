"""What is different between two texts, as spans.

In: a text, and the edits that were made to it or another text. Out: spans in code points of both,
in order; all else is equal. Takes time linear in the lengths for each edit; texts that a model
wrote are compared word by word up to MAX_TOKENS.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from os.path import commonprefix
from typing import Any

import regex

from deployments.content.optimization.draft import TextEdit

_TOKEN = regex.compile(r"\s+|[\p{L}\p{M}\p{N}'’_]+|[^\s\p{L}\p{M}\p{N}]")
MAX_PARTS = 40  # into which one edit is taken apart; of more, it is one difference
MAX_TOKENS = 600  # of the part that differs; beyond, all of it is one difference


@dataclass(frozen=True, slots=True)
class TextDifference:
    """`start` to `end` of the first text became `new_start` to `new_end` of the second."""

    start: int
    end: int
    new_start: int
    new_end: int

    def body(self, before: str, after: str) -> dict[str, Any]:
        """As it is answered, with the characters."""
        return {
            "before": {
                "start": self.start,
                "end": self.end,
                "text": before[self.start : self.end],
            },
            "after": {
                "start": self.new_start,
                "end": self.new_end,
                "text": after[self.new_start : self.new_end],
            },
        }


@dataclass(frozen=True, slots=True)
class _Piece:
    """`size` characters: of the first text from `start` on, or new ones (None)."""

    size: int
    start: int | None


def differences_of_edits(before: str, edits: Iterable[TextEdit]) -> list[TextDifference]:
    """Of a text and what `edits` made of it, one after the other. An edit that changes nothing but
    spaces and signs is taken apart."""
    pieces = [_Piece(len(before), 0)]
    text = before
    for edit in edits:
        parts = list(islice(_taken_apart(edit, text), MAX_PARTS + 1))
        for part in reversed(parts if len(parts) <= MAX_PARTS else [edit]):
            pieces = list(_replaced(pieces, part.start, part.end, len(part.text)))
        text = edit.apply(text)
    return list(_gaps(pieces, len(before)))


def find_differences(before: str, after: str) -> list[TextDifference]:
    """Of any two texts, by tokens (words, spaces, signs)."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    head = len(commonprefix([old, new]))
    tail = len(commonprefix([old[head:][::-1], new[head:][::-1]]))
    middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    offset = sum(map(len, old[:head]))
    if max(len(middle), len(new_middle)) > MAX_TOKENS:
        places = [(0, len(middle), 0, len(new_middle))]
    else:
        places = [
            (start, end, new_start, new_end)
            for name, start, end, new_start, new_end in SequenceMatcher(
                None, middle, new_middle
            ).get_opcodes()
            if name != "equal"
        ]
    at, new_at = _offsets(middle, offset), _offsets(new_middle, offset)
    return [
        TextDifference(at[start], at[end], new_at[new_start], new_at[new_end])
        for start, end, new_start, new_end in places
        if (start, new_start) != (end, new_end)
    ]


def _offsets(tokens: list[str], offset: int) -> list[int]:
    places = [offset]
    for token in tokens:
        places.append(places[-1] + len(token))
    return places


def _taken_apart(edit: TextEdit, text: str) -> Iterator[TextEdit]:
    """One edit for each run of what is between equal words; the edit itself if words differ."""
    old, new = text[edit.start : edit.end], edit.text
    words, new_words = (list(_WORD.finditer(part)) for part in (old, new))
    if [word[0] for word in words] != [word[0] for word in new_words]:
        yield edit
        return
    ends = [(0, 0), *((one.end(), two.end()) for one, two in zip(words, new_words, strict=True))]
    starts = [
        *((one.start(), two.start()) for one, two in zip(words, new_words, strict=True)),
        (len(old), len(new)),
    ]
    for (end, new_end), (start, new_start) in zip(ends, starts, strict=True):
        if old[end:start] != new[new_end:new_start]:
            yield TextEdit(
                edit.start + end,
                edit.start + start,
                new[new_end:new_start],
                edit.rule,
                edit.reason,
            )


_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def _replaced(pieces: list[_Piece], start: int, end: int, size: int) -> Iterator[_Piece]:
    """The pieces with a new one of `size` in place of `start` to `end` of what they make."""
    position, is_done = 0, False
    for piece in pieces:
        stop = position + piece.size
        if position < start:
            yield from _part(piece, 0, min(piece.size, start - position))
        if stop >= start and not is_done:
            yield _Piece(size, None)
            is_done = True
        if stop > end:
            yield from _part(piece, max(0, end - position), piece.size)
        position = stop
    if not is_done:
        yield _Piece(size, None)


def _part(piece: _Piece, first: int, last: int) -> Iterator[_Piece]:
    if last > first:
        yield _Piece(last - first, None if piece.start is None else piece.start + first)


def _gaps(pieces: list[_Piece], size: int) -> Iterator[TextDifference]:
    """Where the pieces are not the first text, whose length is `size`."""
    position = new_position = new_start = 0
    for piece in [*pieces, _Piece(0, size)]:
        if piece.start is not None:
            if (piece.start, new_position) != (position, new_start):
                yield TextDifference(position, piece.start, new_start, new_position)
            position, new_start = piece.start + piece.size, new_position + piece.size
        new_position += piece.size
