"""The template language: a subset of Jinja's syntax that only inserts, chooses and repeats.

    {{ name }}  {{ list|join(", ") }}  {{ "text" }}  {# comment #}  {% raw %}
    {% if a and not (b == "x" or c != d) %} {% elif %} {% else %} {% endif %}
    {% for item in list %} {% else %} {% endfor %}

In: a text. Out: a program (program.py), or LanguageError with the line. Jinja parses; nothing of it
is compiled or run: the syntax tree is translated to nodes that know no attributes, calls, indexes,
arithmetic or assignments. A loop runs over a variable that is declared a list, and holds no other
loop.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes

from cluster.templates.program import (
    Comparison,
    Condition,
    Conditional,
    Constant,
    JoinedList,
    Junction,
    Loop,
    Negation,
    Node,
    Program,
    VariableRef,
)
from cluster.templates.variables import VariableType

MAX_NESTING = 8  # of conditions and loops

_SYNTAX = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
_ALLOWED = "only variables, 'join', 'if' and 'for' over a list are"


class LanguageError(ValueError):
    """The text is no template, or uses what this language does not have."""


def parse(text: str, types: Mapping[str, VariableType]) -> Program:
    """`types` are those of the declared variables. Raises LanguageError."""
    try:
        tree = _SYNTAX.parse(text)
        return tuple(_Translation(types).body(tree.body, 0))
    except LanguageError:
        raise
    except TemplateSyntaxError as error:
        raise LanguageError(f"line {error.lineno}: {error.message or 'is no template'}") from None
    except RecursionError:
        raise LanguageError(f"is nested deeper than {MAX_NESTING} levels") from None
    except (ValueError, OverflowError) as error:  # a number of thousands of digits
        raise LanguageError(str(error)[:200]) from None


def variables_of(program: Program) -> set[str]:
    """The names of the variables that a program reads, without those of loops."""
    found: set[str] = set()
    for node in program:
        if isinstance(node, Conditional):
            for condition, body in node.branches:
                found |= variables_of(body)
                found |= set() if condition is None else _read(condition)
        elif isinstance(node, Loop):
            inner = variables_of(node.body) - {node.target}
            found |= {node.list} | inner | variables_of(node.otherwise)
        elif not isinstance(node, Constant):
            found.add(node.name)
    return found


def _read(condition: Condition) -> set[str]:
    match condition:
        case VariableRef():
            return {condition.name}
        case Negation():
            return _read(condition.operand)
        case Comparison() | Junction():
            return _read(condition.left) | _read(condition.right)
    return set()


@dataclass(slots=True)
class _Translation:
    """Jinja's syntax tree to nodes; `target` is that of the loop around, if there is one."""

    types: Mapping[str, VariableType]
    target: str | None = None

    def body(self, statements: Sequence[nodes.Node], depth: int) -> Iterator[Node]:
        for statement in statements:
            if depth > MAX_NESTING:
                raise _fault(statement, f"is nested deeper than {MAX_NESTING} levels")
            match statement:
                case nodes.Output():
                    yield from map(self._output, statement.nodes)
                case nodes.If():
                    yield Conditional(tuple(self._branches(statement, depth)))
                case nodes.For():
                    yield self._loop(statement, depth)
                case _:
                    raise _fault(statement, f"'{_name(statement)}' is not allowed; {_ALLOWED}")

    def _output(self, node: nodes.Node) -> Node:
        match node:
            case nodes.TemplateData():
                return Constant(node.data)
            case nodes.Const(value=str() as text):
                return Constant(text)
            case nodes.Name():
                if self._type(node) == "list":
                    raise _fault(node, f"'{node.name}' is a list: use join, or a loop")
                return VariableRef(node.name)
            case nodes.Filter(name="join", node=nodes.Name() as name, kwargs=[]) if (
                node.dyn_args is None and node.dyn_kwargs is None
            ):
                if self._type(name) != "list":
                    raise _fault(node, f"'{name.name}' is no list")
                return JoinedList(name.name, self._separator(node))
        raise _fault(node, f"'{_name(node)}' is not allowed; {_ALLOWED}")

    def _separator(self, node: nodes.Filter) -> str:
        match node.args:
            case []:
                return ""
            case [nodes.Const(value=str() as separator)]:
                return separator
        raise _fault(node, "join takes one text in quotes")

    def _branches(
        self, statement: nodes.If, depth: int
    ) -> Iterator[tuple[Condition | None, Program]]:
        for branch in (statement, *statement.elif_):
            yield self._condition(branch.test), tuple(self.body(branch.body, depth + 1))
        if statement.else_:
            yield None, tuple(self.body(statement.else_, depth + 1))

    def _loop(self, statement: nodes.For, depth: int) -> Loop:
        target, over = statement.target, statement.iter
        if self.target is not None:
            raise _fault(statement, "a loop holds no other loop")
        if statement.test is not None or statement.recursive:
            raise _fault(statement, "a loop has neither 'if' nor 'recursive'")
        if not isinstance(over, nodes.Name) or self._type(over) != "list":
            raise _fault(statement, "a loop runs over a variable that is a list")
        if not isinstance(target, nodes.Name) or target.name in (*self.types, "loop"):
            raise _fault(statement, "a loop names one variable that is not declared")
        otherwise = tuple(self.body(statement.else_, depth + 1))
        self.target = target.name
        body = tuple(self.body(statement.body, depth + 1))
        self.target = None
        return Loop(target.name, over.name, body, otherwise)

    def _condition(self, test: nodes.Node) -> Condition:
        match test:
            case nodes.Name():
                self._type(test)
                return VariableRef(test.name)
            case nodes.Const(value=bool() as value):
                return Constant(value)
            case nodes.Not():
                return Negation(self._condition(test.node))
            case nodes.And() | nodes.Or():
                left, right = self._condition(test.left), self._condition(test.right)
                return Junction(left, right, isinstance(test, nodes.And))
            case nodes.Compare(ops=[nodes.Operand(op="eq" | "ne" as op) as other]):
                left_side, right_side = self._operand(test.expr), self._operand(other.expr)
                return Comparison(left_side, right_side, op == "eq")
        raise _fault(test, f"'{_name(test)}' is no condition; use names, not, and, or, ==, !=")

    def _operand(self, node: nodes.Node) -> Constant | VariableRef:
        match node:
            case nodes.Name():
                if self._type(node) == "list":
                    raise _fault(node, f"'{node.name}' is a list, which is not compared")
                return VariableRef(node.name)
            case nodes.Const(value=str() | int() | float() | bool() as value):
                return Constant(value)
            case nodes.Neg(node=nodes.Const(value=int() | float() as value)):
                return Constant(-value)
        raise _fault(node, f"'{_name(node)}' is not compared; use names and constants")

    def _type(self, name: nodes.Name) -> VariableType:
        if name.name == self.target:
            return "string"
        declared = self.types.get(name.name)
        if declared is None:
            known = ", ".join(self.types) or "none"
            raise _fault(name, f"'{name.name[:100]}' is not declared; variables: {known}")
        return declared


def _fault(node: nodes.Node, why: str) -> LanguageError:
    return LanguageError(f"line {node.lineno}: {why}")


def _name(node: nodes.Node) -> str:
    return type(node).__name__.lower()
