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
    Node,
    Ranges,
    Repetition,
    RuleReference,
    Text,
    children,
    intersect_ranges,
    merge_ranges,
)

_FEW = 16  # places to end at that do no harm
_ANY: Ranges = ((1, LAST_CHARACTER),)


def check_repeats(root: Node, rules: Mapping[str, Node], param: str) -> None:
    """Raises UnsupportedParameter where counted repeats multiply."""
    if _Places(rules).of(root) > MAX_REPEATS:
        raise UnsupportedParameter(
            param,
            f"counted repeats inside of each other, of more than {MAX_REPEATS} in all, are not.",
        )
    for node in (root, *rules.values()):
        if _has_neighbours(node):
            raise UnsupportedParameter(
                param, "two counted repeats in a row that may share characters are not."
            )


class _Places:
    """How many places to end at the counted repeats on one path have, multiplied."""

    def __init__(self, rules: Mapping[str, Node]) -> None:
        self._rules = rules
        self._known: dict[str, int] = {}

    def of(self, node: Node) -> int:
        if isinstance(node, RuleReference):
            if node.name not in self._known:
                self._known[node.name] = 1  # recursion adds none
                self._known[node.name] = self.of(self._rules[node.name])
            return self._known[node.name]
        inside = max(map(self.of, children(node)), default=1)
        if isinstance(node, Repetition) and _varies(node) > 1:
            return min(inside * _varies(node), MAX_REPEATS**2)
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
        case Text(text):
            return merge_ranges((ord(each), ord(each)) for each in text)
        case CharacterClass(ranges):
            return ranges
        case RuleReference():
            return _ANY
        case Concatenation() | Alternation() | Repetition():
            return merge_ranges(pair for child in children(node) for pair in _characters(child))
