"""The lines of a page of a PDF, with their places, by pdfium.

In: a page's text by pdfium, in the order in which it is drawn. Out: pieces of lines, cut where a
gap is too wide for one sentence (columns, cells). Coordinates are those of the page as it is read:
text that is drawn turned is upright here.
"""

import ctypes
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as pdfium  # noqa: TID253 (runs as a child only)

GAP = 1.5  # heights of a line between words that do not belong together
_SAMPLE = 200  # characters that are asked whether they have a meaning
_RIGHT_TO_LEFT = (("\u0590", "\u08ff"), ("\ufb1d", "\ufdff"), ("\ufe70", "\ufefc"))
HYPHENS = "\x02\ufffe\u00ad"  # what pdfium writes for a hyphen at the end of a line
_LINE = re.compile(f"[^\n{HYPHENS}]*[{HYPHENS}]|[^\n{HYPHENS}]+")


@dataclass(slots=True)
class Segment:
    """`left`, `top`, `right`, `bottom` in points, downwards from an origin that is the same for all
    of a page; `size` is the height of its line; `char` is the index of its first character."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    char: int
    raw: tuple[float, float, float, float]
    is_bold: bool = False

    @property
    def width(self) -> float:
        return self.right - self.left


@dataclass(frozen=True, slots=True)
class PageText:
    """`unmapped` is the share of characters whose font does not say which they are."""

    segments: list[Segment]
    characters: int
    unmapped: float


class TextOfPage:
    """Of one page; `handle` is pdfium's text page."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._box = pdfium.FS_RECTF()
        self._count = max(0, pdfium.FPDFText_CountChars(handle))

    def read(self) -> PageText:
        text = self._text()
        lines = list(_lines(text))
        angle = self._angle([start for start, _ in lines])
        segments = [
            segment for start, line in lines for segment in self._segments(start, line, angle)
        ]
        return PageText(segments, sum(not each.isspace() for each in text), self._unmapped())

    def is_bold(self, segment: Segment) -> bool:
        weight = pdfium.FPDFText_GetFontWeight(self._handle, segment.char)
        return bool(weight >= 600)

    def _text(self) -> str:
        if not self._count:
            return ""
        buffer = (ctypes.c_ushort * (2 * self._count + 2))()
        units = pdfium.FPDFText_GetText(self._handle, 0, self._count, buffer)
        return bytes(buffer)[: 2 * max(0, units - 1)].decode("utf-16-le", "replace")

    def _char(self, index: int) -> int:
        return int(pdfium.FPDFText_GetCharIndexFromTextIndex(self._handle, index))

    def _place(self, char: int, angle: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Left, top, right, bottom as it is read, and in the page's own space (top upwards)."""
        box = self._box
        if char < 0 or not pdfium.FPDFText_GetLooseCharBox(self._handle, char, box):
            return (), ()
        raw = (box.left, box.top, box.right, box.bottom)
        return _turned(raw, angle), raw

    def _angle(self, starts: list[int]) -> int:
        """In quarters, clockwise: how most lines are drawn."""
        step = max(1, len(starts) // 20)
        turns = Counter(
            round(pdfium.FPDFText_GetCharAngle(self._handle, self._char(start)) / 1.5707963) % 4
            for start in starts[::step]
        )
        return turns.most_common(1)[0][0] if turns else 0

    def _unmapped(self) -> float:
        step = max(1, self._count // _SAMPLE)
        asked = range(0, self._count, step)
        wrong = sum(pdfium.FPDFText_HasUnicodeMapError(self._handle, at) == 1 for at in asked)
        return wrong / max(1, len(asked))

    def _segments(self, start: int, line: str, angle: int) -> list[Segment]:
        """Of one line of pdfium's."""
        words = _words(line)
        if _is_right_to_left(line):
            words = [(words[0][0], words[-1][1])]
        found: list[Segment] = []
        for begin, end in words:
            first = self._char(start + begin)
            place, raw = self._place(first, angle)
            last, last_raw = self._place(self._char(start + end - 1), angle)
            if not place or not last:
                continue
            left, right = min(place[0], last[0]), max(place[2], last[2])
            top, bottom = min(place[1], last[1]), max(place[3], last[3])
            word = line[begin:end]
            size = place[3] - place[1]
            before = found[-1] if found else None
            if before is not None and _goes_on(before, left, top, size):
                before.text += " " + word
                before.right = max(before.right, right)
                before.top, before.bottom = min(before.top, top), max(before.bottom, bottom)
                before.raw = _around(before.raw, last_raw)
            else:
                segment = Segment(
                    word, left, top, right, bottom, size, first, _around(raw, last_raw)
                )
                found.append(segment)
        return found


def _goes_on(before: Segment, left: float, top: float, size: float) -> bool:
    gap = left - before.right
    height = max(1.0, before.size, size)
    return -height <= gap <= GAP * height and abs(top - before.top) <= height


def _lines(text: str) -> list[tuple[int, str]]:
    """A hyphen of pdfium's ends a line, which pdfium runs on."""
    return [
        (match.start(), match.group())
        for match in _LINE.finditer(text)
        if not match.group().isspace()
    ]


def _words(line: str) -> list[tuple[int, int]]:
    found, start = [], -1
    for index, character in enumerate(line):
        if character.isspace():
            if start >= 0:
                found.append((start, index))
            start = -1
        elif start < 0:
            start = index
    if start >= 0:
        found.append((start, len(line)))
    return found


def _is_right_to_left(line: str) -> bool:
    return any(low <= each <= high for each in line for low, high in _RIGHT_TO_LEFT)


def _turned(raw: tuple[float, ...], angle: int) -> tuple[float, ...]:
    """As left, top, right, bottom with the top upwards turned downwards."""
    left, top, right, bottom = raw
    match angle:
        case 1:
            return -top, -right, -bottom, -left
        case 2:
            return -right, bottom, -left, top
        case 3:
            return bottom, left, top, right
        case _:
            return left, -top, right, -bottom


def _around(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom with the top upwards."""
    return (
        min(one[0], other[0]),
        max(one[1], other[1]),
        max(one[2], other[2]),
        min(one[3], other[3]),
    )
