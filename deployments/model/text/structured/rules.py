"""The rules of one grammar under construction, and the rules that all of JSON shares."""

from collections.abc import Callable

from deployments.model.text.structured.json_text import any_content, quoted
from deployments.model.text.structured.limits import MAX_COUNTED, MAX_REPEATS
from deployments.model.text.structured.nodes import (
    Node,
    RuleReference,
    alternation,
    concatenation,
    literal,
    optional,
    repetition,
)
from deployments.model.text.structured.numbers import numbers

NESTING = 5  # levels of arrays and objects inside of a value without a schema


class RuleSet:
    """Named rules. Several schemas may share one set; names are given out once."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._reserved = 0
        self._characters = 0

    def reserve(self) -> RuleReference:
        """A name whose rule is defined later; for recursion."""
        self._reserved += 1
        return RuleReference(f"r{self._reserved}")

    def define(self, node: Node, reference: RuleReference | None = None) -> RuleReference:
        """`node` as a rule, under the name that was reserved for it or a new one."""
        reference = reference or self.reserve()
        self.nodes[reference.name] = node
        return reference

    def string(self, least: int = 0, most: int | None = None) -> RuleReference:
        """Any JSON string; with `most`, one of `least` to `most` characters."""
        name = "string" if most is None else f"string{least}to{most}"
        return self._shared(name, lambda: quoted(any_content(least, most)))

    def reserve_characters(self, least: int, most: int) -> bool:
        """Whether strings of these lengths may be counted by the grammar.

        An engine prepares every count that a string may have, for its whole vocabulary.
        """
        if f"string{least}to{most}" in self.nodes:
            return True
        if most > MAX_REPEATS or self._characters + most > MAX_COUNTED:
            return False
        self._characters += most
        return True

    def value(self, levels: int = NESTING) -> Node:
        """Any JSON value with at most `levels` levels of arrays and objects."""
        scalars = self._shared("scalar", self._scalars)
        if levels == 0:
            return scalars
        name = f"value{levels}"
        return self._shared(
            name, lambda: alternation(scalars, self.object(levels), self._array(levels))
        )

    def object(self, levels: int = NESTING) -> Node:
        """Any JSON object with at most `levels` levels of arrays and objects, its own included."""
        return self._shared(
            f"object{levels}", lambda: mapping(self.string(), self.value(levels - 1))
        )

    def _array(self, levels: int) -> Node:
        return self._shared(f"array{levels}", lambda: listing(self.value(levels - 1)))

    def _scalars(self) -> Node:
        any_number = numbers(None, None)
        assert any_number is not None
        constants = [literal("true"), literal("false"), literal("null")]
        return alternation(self.string(), any_number, *constants)

    def _shared(self, name: str, build: Callable[[], Node]) -> RuleReference:
        if name not in self.nodes:
            self.nodes[name] = build()
        return RuleReference(name)


def mapping(key: Node, value: Node) -> Node:
    """A JSON object with any number of members of this kind."""
    member = concatenation(key, literal(":"), value)
    more = repetition(concatenation(literal(","), member), 0, None)
    return concatenation(literal("{"), optional(concatenation(member, more)), literal("}"))


def listing(item: Node) -> Node:
    """A JSON array with any number of items of this kind."""
    more = repetition(concatenation(literal(","), item), 0, None)
    return concatenation(literal("["), optional(concatenation(item, more)), literal("]"))
