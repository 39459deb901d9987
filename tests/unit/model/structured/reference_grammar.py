"""Reads printed grammars back, and generates and matches texts by them, without an engine.

Matching follows every alternative (memoised by position), so it says whether any derivation exists.
"""

from functools import cache
from random import Random

from deployments.model.text.structured.ebnf_parser import parse_ebnf
from deployments.model.text.structured.nodes import (
    Alternation,
    CharacterClass,
    Concatenation,
    LiteralText,
    Node,
    Repetition,
    RuleReference,
)
from deployments.model.text.structured.rules import RuleSet


class ReferenceGrammar:
    """The language of an EBNF text."""

    def __init__(self, ebnf: str) -> None:
        rules = RuleSet()
        self._root = parse_ebnf(ebnf, "grammar", rules)
        self._rules = rules.nodes

    def generate(self, rng: Random) -> str:
        """A random text; repeats without an end stay short, and deep recursion ends soon."""
        return self._generate(self._root, rng, 0)

    def matches(self, text: str) -> bool:  # noqa: C901 - one case a node
        @cache
        def ends(node: Node, at: int) -> frozenset[int]:  # noqa: C901
            match node:
                case LiteralText(expected):
                    found = text.startswith(expected, at)
                    return frozenset({at + len(expected)} if found else ())
                case CharacterClass(ranges):
                    code = ord(text[at]) if at < len(text) else -1
                    found = any(low <= code <= high for low, high in ranges)
                    return frozenset({at + 1} if found else ())
                case RuleReference(name):
                    return ends(self._rules[name], at)
                case Concatenation(items):
                    places = frozenset({at})
                    for item in items:
                        places = frozenset(end for place in places for end in ends(item, place))
                    return places
                case Alternation(options):
                    return frozenset(end for option in options for end in ends(option, at))
                case Repetition(item, least, most):
                    found_places, places, count = set(), frozenset({at}), 0
                    while places and (most is None or count <= most):
                        if count >= least:
                            if places <= found_places:
                                break
                            found_places |= places
                        places = frozenset(end for place in places for end in ends(item, place))
                        count += 1
                    return frozenset(found_places)

        return len(text) in ends(self._root, 0)

    def _generate(self, node: Node, rng: Random, depth: int) -> str:
        match node:
            case LiteralText(text):
                return text
            case CharacterClass(ranges):
                low, high = rng.choice(ranges)
                return chr(rng.randint(low, high))
            case RuleReference(name):
                return self._generate(self._rules[name], rng, depth + 1)
            case Concatenation(items):
                return "".join([self._generate(item, rng, depth) for item in items])
            case Alternation(options):
                if depth > 12:
                    return self._generate(min(options, key=self._weight), rng, depth)
                return self._generate(rng.choice(options), rng, depth)
            case Repetition(item, least, most):
                longest = least if depth > 12 else least + 4
                times = rng.randint(least, longest if most is None else min(most, longest))
                return "".join([self._generate(item, rng, depth) for _ in range(times)])

    def _weight(self, node: Node) -> int:
        """Rules that a node needs: few of them end a recursion."""
        match node:
            case RuleReference():
                return 1
            case Concatenation(items):
                return sum(map(self._weight, items))
            case Alternation(options):
                return min(map(self._weight, options))
            case Repetition(item, least, _):
                return self._weight(item) * least
        return 0
