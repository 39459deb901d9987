"""Programs of templates: their nodes, and how they are rendered.

In: a program of language.py and checked values. Out: text with each value in its place, as it is:
no value is looked into, and none can add a node. Rendering is bounded in steps and in characters.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.templates.variables import VariableValue

MAX_STEPS = 10_000  # nodes evaluated in one rendering
MAX_OUTPUT = 262_144  # characters of all the messages of one rendering


class RenderLimit(ValueError):
    """A rendering took over MAX_STEPS, or has over MAX_OUTPUT characters."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Text of the template, or what a variable is compared with."""

    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class VariableRef:
    name: str


@dataclass(frozen=True, slots=True)
class JoinedList:
    name: str
    separator: str


@dataclass(frozen=True, slots=True)
class Negation:
    operand: "Condition"


@dataclass(frozen=True, slots=True)
class Comparison:
    left: "Constant | VariableRef"
    right: "Constant | VariableRef"
    is_equal: bool


@dataclass(frozen=True, slots=True)
class Junction:
    left: "Condition"
    right: "Condition"
    is_and: bool


@dataclass(frozen=True, slots=True)
class Conditional:
    """The body of the first branch whose condition holds (None: always)."""

    branches: tuple[tuple["Condition | None", "Program"], ...]


@dataclass(frozen=True, slots=True)
class Loop:
    target: str
    list: str
    body: "Program"
    otherwise: "Program"


Condition = Constant | VariableRef | Negation | Comparison | Junction
Node = Constant | VariableRef | JoinedList | Conditional | Loop
Program = tuple[Node, ...]


@dataclass(slots=True)
class RenderBudget:
    """What one rendering may still take, over all its texts."""

    steps: int = MAX_STEPS
    characters: int = MAX_OUTPUT


def render(
    program: Program, values: Mapping[str, VariableValue], budget: RenderBudget | None = None
) -> str:
    """The text with the values in their places, as they are. Raises RenderLimit."""
    rendering = _Rendering(values, budget or RenderBudget())
    rendering.run(program)
    return "".join(rendering.parts)


@dataclass(slots=True)
class _Rendering:
    values: Mapping[str, VariableValue]
    budget: RenderBudget
    parts: list[str] = field(default_factory=list)

    def run(self, program: Program) -> None:
        for node in program:
            self._step()
            match node:
                case Constant():
                    self._add(str(node.value))
                case VariableRef():
                    self._add(_text(self.values.get(node.name)))
                case JoinedList():
                    self._join(self._items(node.name), node.separator)
                case Conditional():
                    self._choose(node)
                case Loop():
                    self._repeat(node)

    def _choose(self, node: Conditional) -> None:
        for condition, body in node.branches:
            if condition is None or self._holds(condition):
                self.run(body)
                return

    def _repeat(self, node: Loop) -> None:
        outer, items = self.values, self._items(node.list)
        for item in items:
            self._step()
            self.values = {**outer, node.target: item}
            self.run(node.body)
        self.values = outer
        if not items:
            self.run(node.otherwise)

    def _join(self, items: tuple[str, ...], separator: str) -> None:
        for index, item in enumerate(items):
            if index:
                self._add(separator)
            self._add(item)

    def _items(self, name: str) -> tuple[str, ...]:
        items = self.values.get(name, ())
        return items if isinstance(items, tuple) else ()

    def _add(self, text: str) -> None:
        self.budget.characters -= len(text)
        if self.budget.characters < 0:
            raise RenderLimit(f"the rendered text is over {MAX_OUTPUT} characters")
        self.parts.append(text)

    def _step(self) -> None:
        self.budget.steps -= 1
        if self.budget.steps < 0:
            raise RenderLimit(f"rendering takes over {MAX_STEPS} steps")

    def _holds(self, condition: Condition) -> bool:
        self._step()
        match condition:
            case Constant():
                return bool(condition.value)
            case VariableRef():
                return bool(self.values.get(condition.name))
            case Negation():
                return not self._holds(condition.operand)
            case Junction(is_and=True):
                return self._holds(condition.left) and self._holds(condition.right)
            case Junction():
                return self._holds(condition.left) or self._holds(condition.right)
            case Comparison():
                return self._is_equal(condition) is condition.is_equal

    def _is_equal(self, comparison: Comparison) -> bool:
        left, right = self._value(comparison.left), self._value(comparison.right)
        if isinstance(left, bool) is not isinstance(right, bool):
            return False
        return left == right

    def _value(self, operand: Constant | VariableRef) -> Any:
        return operand.value if isinstance(operand, Constant) else self.values.get(operand.name)


def _text(value: VariableValue | None) -> str:
    """Numbers and booleans as JSON has them."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
