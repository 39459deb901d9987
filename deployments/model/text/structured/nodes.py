"""The grammar that everything is compiled to: nodes, and the functions that build them.

A grammar describes the text of a response, character by character. Nodes are immutable and are
built by the lower-case functions, which keep them flat. `ebnf.py` prints them, `limits.py` bounds
them. No text has U+0000.
"""

from collections.abc import Iterable
from dataclasses import dataclass

LAST_CHARACTER = 0x10FFFF
_LEFT_OUT = ((0x00, 0x00), (0xD800, 0xDFFF))

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class LiteralText:
    """Exactly this text; the empty text is `EMPTY`."""

    text: str


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """One character out of `ranges`, which are inclusive, ascending and disjoint."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Concatenation:
    """All `items`, in order."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Alternation:
    """One of `options`."""

    options: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repetition:
    """`item` at least `least` times and at most `most` times (None: without end)."""

    item: "Node"
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class RuleReference:
    """What the rule `name` describes."""

    name: str


Node = LiteralText | CharacterClass | Concatenation | Alternation | Repetition | RuleReference

EMPTY = LiteralText("")


def literal(text: str) -> Node:
    """Exactly `text`."""
    return LiteralText(text)


def character_class(ranges: Iterable[tuple[int, int]]) -> Node:
    """One character of `ranges` (in any order, no surrogates). Raises ValueError for none."""
    merged = merge_ranges(ranges)
    if not merged:
        raise ValueError("a class without characters")
    if len(merged) == 1 and merged[0][0] == merged[0][1]:
        return LiteralText(chr(merged[0][0]))
    return CharacterClass(merged)


def characters(text: str) -> Node:
    """One character out of `text`."""
    return character_class((ord(each), ord(each)) for each in text)


def concatenation(*items: Node) -> Node:
    """All items in order."""
    flat: list[Node] = []
    for item in items:
        for part in item.items if isinstance(item, Concatenation) else (item,):
            last = flat[-1] if flat else None
            if isinstance(part, LiteralText) and isinstance(last, LiteralText):
                flat[-1] = LiteralText(last.text + part.text)
            elif part != EMPTY:
                flat.append(part)
    if not flat:
        return EMPTY
    return flat[0] if len(flat) == 1 else Concatenation(tuple(flat))


def alternation(*options: Node) -> Node:
    """One of the options. Raises ValueError for none."""
    flat: dict[Node, None] = {}
    for option in options:
        for part in option.options if isinstance(option, Alternation) else (option,):
            flat[part] = None
    if not flat:
        raise ValueError("an alternation without options")
    return next(iter(flat)) if len(flat) == 1 else Alternation(tuple(flat))


def repetition(item: Node, least: int, most: int | None) -> Node:
    """`item` from `least` to `most` times (None: without end)."""
    if most == 0 or item == EMPTY:
        return EMPTY
    if least == most == 1:
        return item
    return Repetition(item, least, most)


def optional(item: Node) -> Node:
    """`item`, or nothing."""
    return repetition(item, 0, 1)


def merge_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same characters as ascending, disjoint ranges."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(_characters_of(ranges)):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def invert_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Every other character."""
    inverted: list[tuple[int, int]] = []
    start = 0
    for low, high in merge_ranges(ranges):
        inverted.append((start, low - 1))
        start = high + 1
    inverted.append((start, LAST_CHARACTER))
    return merge_ranges((low, high) for low, high in inverted if low <= high)


def intersect_ranges(one: Ranges, other: Ranges) -> Ranges:
    """The characters of both."""
    return merge_ranges(
        (max(low, start), min(high, end))
        for low, high in one
        for start, end in other
        if max(low, start) <= min(high, end)
    )


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly inside `node`."""
    match node:
        case Concatenation(items):
            return items
        case Alternation(options):
            return options
        case Repetition(item, _, _):
            return (item,)
    return ()


def _characters_of(ranges: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """The parts of `ranges` that are characters."""
    for low, high in ranges:
        start = low
        for first, last in _LEFT_OUT:
            if start < first and start <= high:
                yield start, min(high, first - 1)
            start = max(start, last + 1)
        if start <= high:
            yield start, high
