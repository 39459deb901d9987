"""What is different between two texts, as spans of words.

In: a text and its successor. Out: spans in code points of both, in order; all else is equal.
"""

from dataclasses import dataclass
from difflib import SequenceMatcher
from os.path import commonprefix
from typing import Any

import regex

_TOKEN = regex.compile(r"\s+|[\p{L}\p{M}\p{N}'’_]+|[^\s\p{L}\p{M}\p{N}]")
MAX_TOKENS = 4_000  # of one text that are compared; beyond, the whole middle is one difference


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


def find_differences(before: str, after: str) -> list[TextDifference]:
    """Differences by tokens (words, spaces, signs)."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    head = len(commonprefix([old, new]))
    tail = len(commonprefix([old[head:][::-1], new[head:][::-1]]))
    middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    offset = sum(map(len, old[:head]))
    if max(len(middle), len(new_middle)) > MAX_TOKENS:
        places = [(0, len(middle), 0, len(new_middle))]
    else:
        matcher = SequenceMatcher(None, middle, new_middle, autojunk=False)
        places = [
            (start, end, new_start, new_end)
            for name, start, end, new_start, new_end in matcher.get_opcodes()
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
