"""A JSON Schema of the subset to grammar nodes.

In: a parsed schema. Out: a node over a `RuleSet`, and a validator for limits that the grammar
leaves out. Every text of the grammar is valid by the schema; not every valid value has one (members
have one order, there is no white space, objects with properties are closed). What is outside of the
subset is refused by its JSON pointer.
"""

from decimal import Decimal
from typing import Any

import orjson

from cluster.runtime.json_values import count_levels
from deployments.model.text.structured.choices import choice_node
from deployments.model.text.structured.limits import MAX_DEPTH
from deployments.model.text.structured.nodes import Node, RuleReference, alternation, literal
from deployments.model.text.structured.numbers import Bound, integers, numbers
from deployments.model.text.structured.rules import RuleSet
from deployments.model.text.structured.schema_alternatives import check_exclusive
from deployments.model.text.structured.schema_containers import array_node, object_node
from deployments.model.text.structured.schema_keywords import (
    TYPES,
    Schema,
    below,
    invalid,
    keywords,
    schemas,
    types_of,
    unsupported,
)
from deployments.model.text.structured.schema_references import resolve
from deployments.model.text.structured.schema_strings import string_node
from deployments.model.text.structured.schema_validator import SchemaValidator

MAX_REFERENCES = 200
MAX_VALUES = 1_000  # of an enum


class SchemaCompiler:
    """Compiles one document into `rules`; `where` is the request's field that holds it.

    After `compile`, `relaxed` says whether the grammar leaves a limit out: a finished text must
    then be checked with `validator`.
    """

    def __init__(self, document: Any, where: str, rules: RuleSet) -> None:
        self.relaxed = False
        self.validator = SchemaValidator(document)
        self._document = document
        self._where = where
        self._rules = rules
        self._references: dict[str, RuleReference] = {}
        self._depth = 0
        self._waiting: list[tuple[str, str]] = []

    def compile(self) -> Node:
        """Raises UnsupportedParameter and InvalidRequest, with the pointer of what is refused."""
        check_depth(self._document, self._where)
        root = self._node(self._document, self._where)
        while self._waiting:
            reference, where = self._waiting.pop()
            node = self._node(resolve(self._document, reference), f"{self._where}{reference[1:]}")
            self._rules.define(node, self._references[reference])
        return root

    def _node(self, schema: Any, where: str) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            invalid(where, f"schemas are nested deeper than {MAX_DEPTH}.")
        node = self._schema(schema, where)
        self._depth -= 1
        return node

    def _schema(self, schema: Any, where: str) -> Node:
        if schema is True or schema == {}:
            return self._rules.value()
        if schema is False:
            invalid(where, "nothing is valid by it.")
        used = keywords(schema, where)
        if "$id" in used and where != self._where:
            unsupported(below(where, "$id"), "only the whole schema may have an id.")
        for key, compile_keyword, beside in (
            ("$ref", self._reference, ()),
            ("anyOf", self._alternatives, ("type",)),
            ("oneOf", self._alternatives, ("type",)),
            ("allOf", self._single, ()),
        ):
            if key in used:
                others = used - {key, "nullable", "$id", *beside}
                if others:
                    unsupported(below(where, min(others)), f"it cannot be joined with {key}.")
                node = compile_keyword(schema, key, where)
                return alternation(node, literal("null")) if schema.get("nullable") else node
        if "enum" in used or "const" in used:
            return self._values(schema, where)
        return alternation(
            *[self._of_type(kind, schema, where) for kind in types_of(schema, where)]
        )

    def _of_type(self, kind: str, schema: Schema, where: str) -> Node:
        match kind:
            case "object":
                return object_node(schema, where, self._rules, self._node)
            case "array":
                node, relaxed = array_node(schema, where, self._rules, self._node)
            case "string":
                node, relaxed = string_node(schema, where, self._rules)
            case "boolean":
                return alternation(literal("true"), literal("false"))
            case "null":
                return literal("null")
            case _:
                return _number(kind, schema, where)
        self.relaxed |= relaxed
        return node

    def _reference(self, schema: Schema, key: str, where: str) -> Node:
        reference = schema[key]
        if not isinstance(reference, str):
            invalid(below(where, key), "it must be a string.")
        if reference in self._references:
            return self._references[reference]
        try:
            resolve(self._document, reference)
        except LookupError as error:
            unsupported(below(where, key), f"{error.args[0]}.")
        if len(self._references) == MAX_REFERENCES:
            invalid(below(where, key), f"there are more than {MAX_REFERENCES} references.")
        self._references[reference] = self._rules.reserve()
        self._waiting.append((reference, where))
        return self._references[reference]

    def _alternatives(self, schema: Schema, key: str, where: str) -> Node:
        alternatives = schemas(schema, key, where)
        if "type" in schema:
            allowed = types_of(schema, where)
            alternatives = [
                _with_types(each, allowed, below(below(where, key), index))
                for index, each in enumerate(alternatives)
            ]
        nodes = [
            self._node(each, below(below(where, key), index))
            for index, each in enumerate(alternatives)
        ]
        if key == "oneOf":
            check_exclusive(alternatives, below(where, key), self._document)
        return alternation(*nodes)

    def _single(self, schema: Schema, key: str, where: str) -> Node:
        parts = schemas(schema, key, where)
        if len(parts) > 1:
            unsupported(below(where, key), "only one schema in it is.")
        return self._node(parts[0], below(below(where, key), 0))

    def _values(self, schema: Schema, where: str) -> Node:
        """The values of `enum` or `const` that are valid by the other keywords."""
        key = "enum" if "enum" in schema else "const"
        values = schema["enum"] if key == "enum" else [schema["const"]]
        if not isinstance(values, list):
            invalid(below(where, key), "it must be a list of values.")
        for other in ("pattern", "format"):
            if other in schema:
                unsupported(below(where, other), f"it cannot be joined with {key}.")
        if len(values) > MAX_VALUES:
            invalid(below(where, key), f"it has {len(values)} values; the most is {MAX_VALUES}.")
        for kind in types_of(schema, where) if "type" in schema else ():
            self._of_type(kind, schema, where)  # refuses keywords that are not well-formed
        valid = [value for value in values if self.validator.is_valid(value, schema)]
        if schema.get("nullable"):
            valid.append(None)
        if not valid:
            invalid(below(where, key), "none of its values is valid.")
        return choice_node([orjson.dumps(value).decode() for value in valid])


def check_depth(document: Any, where: str) -> None:
    """Raises InvalidRequest for a document that is nested deeper than `MAX_DEPTH`."""
    most = MAX_DEPTH * 2  # a keyword and its schema are two levels
    if count_levels(document, most) > most:
        invalid(where, f"schemas are nested deeper than {MAX_DEPTH}.")


def _with_types(schema: Any, allowed: tuple[str, ...], where: str) -> Any:
    """An alternative of a schema that names its types beside the alternatives."""
    if not isinstance(schema, dict) or "$ref" in schema:
        unsupported(where, "a type beside the alternatives needs schemas that are written out.")
    types = types_of(schema, where) if "type" in schema else TYPES
    numeric = not {"integer", "number"}.isdisjoint(allowed)
    common = [
        kind if kind in allowed else "integer"
        for kind in types
        if kind in allowed or (numeric and kind in ("integer", "number"))
    ]
    if not common:
        invalid(where, "its type is not among those beside the alternatives.")
    return {**schema, "type": common}


def _number(kind: str, schema: Schema, where: str) -> Node:
    """Numbers or integers within their bounds. Bounds that cannot be exact are refused."""
    low = _bound(schema, "minimum", "exclusiveMinimum", where)
    high = _bound(schema, "maximum", "exclusiveMaximum", where)
    try:
        whole = kind == "integer"
        node = integers(_ceiling(low), _floor(high)) if whole else numbers(low, high)
    except ValueError:
        key = next(key for key in _BOUNDS if key in schema)
        unsupported(below(where, key), "it has too many digits to be held to exactly.")
    if node is None:
        key = next(key for key in _BOUNDS if key in schema)
        invalid(below(where, key), "no number is within the bounds.")
    return node


_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


def _bound(schema: Schema, inclusive: str, exclusive: str, where: str) -> Bound | None:
    """The tighter one of two keywords."""
    bounds = []
    for key in (inclusive, exclusive):
        value = schema.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            invalid(below(where, key), "it must be a number.")
        bounds.append(Bound(Decimal(str(value)), key == exclusive))
    if len(bounds) < 2:
        return bounds[0] if bounds else None
    one, other = bounds
    if one.value == other.value:
        return other
    return one if (one.value > other.value) == (inclusive == "minimum") else other


def _ceiling(bound: Bound | None) -> int | None:
    if bound is None:
        return None
    whole = int(bound.value.to_integral_value("ROUND_CEILING"))
    return whole + 1 if bound.exclusive and whole == bound.value else whole


def _floor(bound: Bound | None) -> int | None:
    if bound is None:
        return None
    whole = int(bound.value.to_integral_value("ROUND_FLOOR"))
    return whole - 1 if bound.exclusive and whole == bound.value else whole
