"""Bidirectional text: the visual order of the words of a line.

The Unicode Bidirectional Algorithm (UAX #9) at the level of words: a word has the direction of its
first strong letter; one without (a number, a dash) has that of the word before it, or of the line.
The letters within a word are left to libass, in an isolate of the word's direction.
"""

from collections.abc import Sequence
from itertools import groupby

import regex

LEFT_TO_RIGHT, RIGHT_TO_LEFT = "L", "R"
_RIGHT = regex.compile(r"[\p{Bidi_Class=R}\p{Bidi_Class=AL}]")
_STRONG = regex.compile(r"[\p{Bidi_Class=L}\p{Bidi_Class=R}\p{Bidi_Class=AL}]")
_OPEN = {LEFT_TO_RIGHT: "\u2066", RIGHT_TO_LEFT: "\u2067"}
_CLOSE = "\u2069"


def visual_order(words: Sequence[str]) -> list[tuple[int, str]]:
    """The indices of `words` from left to right, and the direction in which each is isolated; empty
    for lines that run from left to right throughout."""
    if not any(_RIGHT.search(word) for word in words):
        return [(index, "") for index in range(len(words))]
    directions = [_direction(word) for word in words]
    line = next((direction for direction in directions if direction), LEFT_TO_RIGHT)
    resolved = _resolve(directions, line)
    runs = [
        list(group) for _, group in groupby(range(len(words)), key=lambda index: resolved[index])
    ]
    if line == RIGHT_TO_LEFT:
        runs.reverse()
    ordered = [
        index
        for run in runs
        for index in (reversed(run) if resolved[run[0]] == RIGHT_TO_LEFT else run)
    ]
    return [(index, _isolation(resolved, index, line)) for index in ordered]


def isolate(text: str, direction: str) -> str:
    """`text` in a directional isolate: it and the text around it do not reorder each other."""
    return f"{_OPEN[direction]}{text}{_CLOSE}" if direction else text


def _direction(word: str) -> str:
    strong = _STRONG.search(word)
    if strong is None:
        return ""
    return RIGHT_TO_LEFT if _RIGHT.match(strong[0]) else LEFT_TO_RIGHT


def _resolve(directions: Sequence[str], line: str) -> list[str]:
    resolved: list[str] = []
    for direction in directions:
        resolved.append(direction or (resolved[-1] if resolved else line))
    return resolved


def _isolation(resolved: Sequence[str], index: int, line: str) -> str:
    """Punctuation at the end of a word has the line's direction, unless the next word continues in
    the word's own."""
    following = resolved[index + 1] if index + 1 < len(resolved) else line
    return resolved[index] if following == resolved[index] else line
