"""The order in which the words of a line stand, for scripts that are written from right to left.

The Unicode Bidirectional Algorithm (UAX #9) on the level of words: a word goes in the direction of
its first strong letter; one without (a number, a dash) goes with the word before it, or with the
line. The letters within a word are left to libass, in an isolate of the word's direction.
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
    """The places of `words` in `words`, from the left to the right of the line, and the direction
    that each is to be isolated in: empty for lines from left to right throughout.
    """
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
    """`text` such that nothing around it changes the order of its letters, nor it theirs."""
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
    """Punctuation at the end of a word goes with the line, unless the next word goes on the same
    way."""
    following = resolved[index + 1] if index + 1 < len(resolved) else line
    return resolved[index] if following == resolved[index] else line
