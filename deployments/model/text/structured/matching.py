"""Matches whole texts against a node without rules, in time linear in the text.

Thompson's construction, simulated state set by state set (K. Thompson, "Regular Expression Search
Algorithm", CACM 11(6), 1968): unlike backtracking it has no slow patterns.
"""

from deployments.model.text.structured.nodes import (
    Alternation,
    CharacterClass,
    Concatenation,
    LiteralText,
    Node,
    Ranges,
    Repetition,
    RuleReference,
)


class TextMatcher:
    """The automaton of one node."""

    def __init__(self, node: Node) -> None:
        """Raises ValueError for a node with rules. Counted repeats are written out."""
        self._empty: list[list[int]] = []
        self._moves: list[tuple[Ranges, int] | None] = []
        self._start = self._state()
        self._end = self._build(node, self._start)

    def matches(self, text: str) -> bool:
        """Whether the node describes exactly `text`."""
        states = self._closed({self._start})
        for character in text:
            code, following = ord(character), set()
            for state in states:
                move = self._moves[state]
                if move is not None and any(low <= code <= high for low, high in move[0]):
                    following.add(move[1])
            states = self._closed(following)
            if not states:
                return False
        return self._end in states

    def _closed(self, states: set[int]) -> set[int]:
        waiting = list(states)
        while waiting:
            for state in self._empty[waiting.pop()]:
                if state not in states:
                    states.add(state)
                    waiting.append(state)
        return states

    def _state(self) -> int:
        self._empty.append([])
        self._moves.append(None)
        return len(self._moves) - 1

    def _build(self, node: Node, start: int) -> int:  # noqa: C901 - one case a node
        """Add what leads from `start` through `node`; returns where it ends."""
        match node:
            case LiteralText(text):
                for character in text:
                    start = self._move(start, ((ord(character), ord(character)),))
                return start
            case CharacterClass(ranges):
                return self._move(start, ranges)
            case Concatenation(items):
                for item in items:
                    start = self._build(item, start)
                return start
            case Alternation(options):
                end = self._state()
                for option in options:
                    self._empty[self._build(option, self._after(start))].append(end)
                return end
            case Repetition(item, least, most):
                return self._repeat(item, least, most, start)
            case RuleReference(name):
                raise ValueError(f"the rule '{name}' is not written out")

    def _repeat(self, item: Node, least: int, most: int | None, start: int) -> int:
        for _ in range(least):
            start = self._build(item, start)
        if most is None:
            loop = self._after(start)
            self._empty[self._build(item, loop)].append(loop)
            return self._after(loop)
        end = self._state()
        for _ in range(most - least):
            self._empty[start].append(end)
            start = self._build(item, self._after(start))
        self._empty[start].append(end)
        return end

    def _after(self, state: int) -> int:
        following = self._state()
        self._empty[state].append(following)
        return following

    def _move(self, start: int, ranges: Ranges) -> int:
        end = self._state()
        self._moves[start] = (ranges, end)
        return end


def length_bounds(node: Node) -> tuple[int, int | None]:
    """The fewest and the most characters of a node without rules (None: without end)."""
    match node:
        case LiteralText(text):
            return len(text), len(text)
        case CharacterClass():
            return 1, 1
        case Repetition(item, least, most):
            shortest, longest = length_bounds(item)
            unbounded = most is None or longest is None
            return shortest * least, None if unbounded else (longest or 0) * (most or 0)
        case Concatenation(items):
            bounds = [length_bounds(item) for item in items]
            total = [longest for _, longest in bounds if longest is not None]
            return sum(low for low, _ in bounds), sum(total) if len(total) == len(bounds) else None
        case Alternation(options):
            bounds = [length_bounds(option) for option in options]
            ends = [longest for _, longest in bounds if longest is not None]
            return min(low for low, _ in bounds), max(ends) if len(ends) == len(bounds) else None
        case RuleReference(name):
            raise ValueError(f"the rule '{name}' is not written out")
