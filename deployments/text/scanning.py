"""Patterns looked for in a text that is still growing.

In: the text so far. Out: the spans that no further text can change, and from where on that is not
known yet. What a scanner finds does not depend on the pieces in which the text came.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from deployments.text.folding import PLAIN, FoldedText


@dataclass(frozen=True, slots=True, order=True)
class TextSpan:
    """What was found from `start` up to `end`; `score` is how sure that is, from 0 to 1."""

    start: int
    end: int
    kind: str
    score: float


class Scanner(Protocol):
    """Finds spans of at most `reach` characters, which it has to see to decide about one."""

    @property
    def reach(self) -> int: ...

    def scan(self, text: str, position: int, *, is_whole: bool) -> tuple[list[TextSpan], int]:
        """The decided spans from `position` on, in order, and the position to go on from: of what
        begins before it, all is known. Characters before `position` are read as context.
        """
        ...


# The end and the score of a span of this start and end at most, or None.
Check = Callable[[str, int, int], tuple[int, float] | None]


@dataclass(frozen=True, slots=True)
class PatternScanner:
    """A kind of span: each match of `pattern` that passes `check`.

    `tail` finds, at the end of a text, the beginning of all that might become a match: it may be
    more than that. `hints` are characters of which every match has one (empty: not known). No
    attempt at a match reads more than `reach` characters, so neither pattern needs more time than
    the text's length times that.
    """

    kind: str
    pattern: re.Pattern[str]
    check: Check
    tail: re.Pattern[str]
    reach: int
    hints: str = ""

    def scan(self, text: str, position: int, *, is_whole: bool) -> tuple[list[TextSpan], int]:
        spans: list[TextSpan] = []
        limit = len(text) if is_whole else self._undecided(text, position)
        if self.hints and not any(hint in text for hint in self.hints):
            return spans, max(position, limit)
        search, check = self.pattern.search, self.check
        while (match := search(text, position)) is not None and match.start() < limit:
            start = match.start()
            found = check(text, start, match.end())
            if found is None:
                position = start + 1
                continue
            position, score = found
            spans.append(TextSpan(start, position, self.kind, score))
        return spans, max(position, limit)

    def _undecided(self, text: str, position: int) -> int:
        least = max(position, len(text) - self.reach)
        found = self.tail.search(text, least)
        return len(text) if found is None else found.start()


def spans_of(scanner: Scanner, whole: FoldedText) -> list[TextSpan]:
    """All spans in a whole text, as places in the original."""
    found, _ = scanner.scan(whole.text, 0, is_whole=True)
    return [original(span, whole) for span in found]


def original(span: TextSpan, text: FoldedText) -> TextSpan:
    """A span of a folded text as places in the original."""
    return TextSpan(text.starts[span.start], text.ends[span.end - 1], span.kind, span.score)


__all__ = ["PLAIN", "PatternScanner", "Scanner", "TextSpan", "original", "spans_of"]
