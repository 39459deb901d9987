"""Counted repeats of patterns and of callers' grammars: refused where they multiply.

A repeat that may end at many places, beside or inside of another one, has an engine follow every
pair of places at each step: four `c{0,100}` in a row slowed all sequences tenfold.
"""

from collections.abc import Mapping

from cluster.runtime.problems import UnsupportedParameter
from deployments.model.text.structured.limits import MAX_REPEATS
from deployments.model.text.structured.nodes import (
    LAST_CHARACTER,
    Alternation,
    CharacterClass,
    Concatenation,
    LiteralText,
    Node,
    Ranges,
    Repetition,
    RuleReference,
    children,
    intersect_ranges,
    merge_ranges,
)

_FEW = 16  # places to end at that do no harm
_TOO_MANY = MAX_REPEATS + 1
_ANY: Ranges = ((1, LAST_CHARACTER),)


def check_repeats(root: Node, rules: Mapping[str, Node], param: str) -> None:
    """Raises UnsupportedParameter where counted repeats multiply."""
    if _most_places(root, rules) == _TOO_MANY:
        raise UnsupportedParameter(
            param,
            f"counted repeats inside of each other, of more than {MAX_REPEATS} in all, are not.",
        )
    for node in (root, *rules.values()):
        if _has_neighbours(node):
            raise UnsupportedParameter(
                param, "two counted repeats in a row that may share characters are not."
            )


def _most_places(root: Node, rules: Mapping[str, Node]) -> int:
    """How many places to end at the counted repeats on one path have, multiplied; at most
    `_TOO_MANY`.
    """
    known = dict.fromkeys(rules, 1)
    changed = True
    while changed:
        changed = False
        for name, node in rules.items():
            places = _places(node, known)
            changed |= places != known[name]
            known[name] = places
    return _places(root, known)


def _places(node: Node, known: Mapping[str, int]) -> int:
    if isinstance(node, RuleReference):
        return known[node.name]
    inside = max([_places(child, known) for child in children(node)], default=1)
    if isinstance(node, Repetition):
        return min(inside * max(1, _varies(node)), _TOO_MANY)
    return inside


def _varies(node: Repetition) -> int:
    return 1 if node.most is None else node.most - node.least


def _has_neighbours(node: Node) -> bool:
    if isinstance(node, Concatenation):
        for one, other in zip(node.items, node.items[1:], strict=False):
            if _is_wide(one) and _is_wide(other):
                mine, theirs = _characters(one), _characters(other)
                if intersect_ranges(mine, theirs):
                    return True
    return any(map(_has_neighbours, children(node)))


def _is_wide(node: Node) -> bool:
    return isinstance(node, Repetition) and _varies(node) > _FEW


def _characters(node: Node) -> Ranges:
    """The characters that a node may have (of a rule: any)."""
    match node:
        case LiteralText(text):
            return merge_ranges((ord(each), ord(each)) for each in text)
        case CharacterClass(ranges):
            return ranges
        case RuleReference():
            return _ANY
        case Concatenation() | Alternation() | Repetition():
            return merge_ranges(pair for child in children(node) for pair in _characters(child))
