"""Repeats and recursion of callers' patterns and grammars whose parts end at no certain place.

An engine follows all readings of a text at once. Where a part of a repeat may end and may also go
on with the same character, their number grows with the text: `(([a-z]+ ?)+)+` stops an engine for
minutes. Such definitions are refused, by the sets of characters that a part may begin with (FIRST)
and that it may go on with once it is complete. The test is sufficient, not necessary: some harmless
ones are refused as well.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import NoReturn

from cluster.runtime.problems import UnsupportedParameter
from deployments.model.text.structured.limits import nullable_rules, references
from deployments.model.text.structured.nodes import (
    Alternation,
    CharacterClass,
    Concatenation,
    LiteralText,
    Node,
    Repetition,
    RuleReference,
    children,
    concatenation,
    literal,
)

_MAX_RULES = 300
_OFTEN = 8  # a repeat up to so many times is no loop


def check_ambiguity(root: Node, rules: Mapping[str, Node], param: str) -> None:
    """Raises UnsupportedParameter for the first part of a loop that ends at no certain place."""
    if len(rules) > _MAX_RULES:
        raise UnsupportedParameter(param, f"grammars here have {_MAX_RULES} rules at most.")
    sets = _CharacterSets(root, rules)
    recursive = _recursive_rules(rules)
    for node in (root, *rules.values()):
        _check(node, sets, recursive, param)


def _check(node: Node, sets: "_CharacterSets", recursive: frozenset[str], param: str) -> None:
    is_loop = isinstance(node, Repetition) and (node.most is None or node.most > _OFTEN)
    if is_loop and sets.following(children(node)[0]) & sets.first(children(node)[0]):
        _refuse(param, "a repeat of what may end and go on with the same character is not.")
    if isinstance(node, Concatenation):
        for index, item in enumerate(node.items[:-1]):
            rest = concatenation(*node.items[index + 1 :])
            is_recursive = not recursive.isdisjoint(references(item))
            if is_recursive and sets.following(item) & sets.first(rest):
                _refuse(param, "a rule within itself needs a sign after it that tells its end.")
    for child in children(node):
        _check(child, sets, recursive, param)


class _CharacterSets:
    """Sets of characters as bit masks over the intervals that the grammar tells apart."""

    def __init__(self, root: Node, rules: Mapping[str, Node]) -> None:
        self._rules = rules
        self._is_nullable = nullable_rules(rules)
        self._starts = sorted(_boundaries([root, *rules.values()]))
        self._firsts: dict[str, int] = dict.fromkeys(rules, 0)
        self._firsts = self._fixpoint(self._firsts, self.first)
        self._followings: dict[str, int] = dict.fromkeys(rules, 0)
        self._followings = self._fixpoint(self._followings, self.following)

    def first(self, node: Node) -> int:
        """What a text of `node` may begin with."""
        match node:
            case LiteralText(text):
                return self._mask(ord(text[0]), ord(text[0])) if text else 0
            case CharacterClass(ranges):
                mask = 0
                for low, high in ranges:
                    mask |= self._mask(low, high)
                return mask
            case RuleReference(name):
                return self._firsts[name]
            case Concatenation(items):
                mask = 0
                for item in items:
                    mask |= self.first(item)
                    if not self._is_nullable(item):
                        break
                return mask
        return self._union(self.first, children(node))

    def following(self, node: Node) -> int:
        """What may follow within `node` where a text of it is complete."""
        match node:
            case RuleReference(name):
                return self._followings[name]
            case Concatenation(items):
                return self._following_in_row(items)
            case Alternation(options):
                mask = self._union(self.following, options)
                for index, one in enumerate(options):
                    for other in options[:index]:
                        mask |= self._shared(one, other)
                return mask
            case Repetition(item, least, most):
                mask = self.following(item)
                if most is None or most > least:
                    mask |= self.first(item)
                return mask
        return 0

    def _following_in_row(self, items: tuple[Node, ...]) -> int:
        mask, after, at_end = 0, 0, True
        for item in reversed(items):
            following = self.following(item)
            if following & after:  # the places where its parts end cannot be told apart
                return -1
            if at_end:
                mask |= following | (self.first(item) if self._is_nullable(item) else 0)
            if self._is_nullable(item):
                after |= self.first(item)
            else:
                after, at_end = self.first(item), False
        return mask

    def _shared(self, one: Node, other: Node) -> int:
        """What may follow a text of one option that begins a text of the other."""
        if not self.first(one) & self.first(other):
            return 0
        mine, theirs = _without_common(one, other)
        if not mine or not theirs:
            return self.first(concatenation(*mine, *theirs))
        left, right = concatenation(*mine), concatenation(*theirs)
        if self.first(left) & self.first(right):
            return -1
        mask = self.first(left) if self._is_nullable(right) else 0
        return mask | (self.first(right) if self._is_nullable(left) else 0)

    def _mask(self, low: int, high: int) -> int:
        first = bisect_right(self._starts, low) - 1
        last = bisect_right(self._starts, high) - 1
        return (1 << (last + 1)) - (1 << first)

    def _union(self, of: Callable[[Node], int], nodes: tuple[Node, ...]) -> int:
        mask = 0
        for node in nodes:
            mask |= of(node)
        return mask

    def _fixpoint(self, known: dict[str, int], of: Callable[[Node], int]) -> dict[str, int]:
        changed = True
        while changed:
            changed = False
            for name, node in self._rules.items():
                mask = known[name] | of(node)
                if mask != known[name]:
                    known[name], changed = mask, True
        return known


def _without_common(one: Node, other: Node) -> tuple[list[Node], list[Node]]:
    """The items of both after those with which both begin."""
    mine: list[Node] = list(one.items) if isinstance(one, Concatenation) else [one]
    theirs: list[Node] = list(other.items) if isinstance(other, Concatenation) else [other]
    while mine and theirs:
        left, right = mine[0], theirs[0]
        if left == right:
            mine.pop(0)
            theirs.pop(0)
            continue
        if not (isinstance(left, LiteralText) and isinstance(right, LiteralText)):
            break
        size = 0
        while left.text[size : size + 1] == right.text[size : size + 1] != "":
            size += 1
        if not size:
            break
        mine[:1] = [literal(left.text[size:])] if left.text[size:] else []
        theirs[:1] = [literal(right.text[size:])] if right.text[size:] else []
    return mine, theirs


def _boundaries(nodes: list[Node]) -> set[int]:
    starts = {0}
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, LiteralText):
            for character in node.text:
                starts |= {ord(character), ord(character) + 1}
        elif isinstance(node, CharacterClass):
            for low, high in node.ranges:
                starts |= {low, high + 1}
        waiting += children(node)
    return starts


def _recursive_rules(rules: Mapping[str, Node]) -> frozenset[str]:
    """The rules that lead back to themselves."""
    used = {name: set(references(node)) for name, node in rules.items()}
    recursive = set()
    for name in rules:
        reached: set[str] = set()
        waiting = list(used[name])
        while waiting:
            other = waiting.pop()
            if other not in reached:
                reached.add(other)
                waiting += used.get(other, ())
        if name in reached:
            recursive.add(name)
    return frozenset(recursive)


def _refuse(param: str, why: str) -> NoReturn:
    raise UnsupportedParameter(param, why)
