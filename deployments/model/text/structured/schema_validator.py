"""Checks a JSON value against a schema of the subset.

It is asked where a grammar leaves a limit out, and to sort out the values of an `enum`. The schema
has been compiled before: its keywords are known and well-formed, and references lead somewhere.
"""

from typing import Any

from deployments.model.text.structured.matching import TextMatcher
from deployments.model.text.structured.schema_keywords import Schema, types_of
from deployments.model.text.structured.schema_references import resolve
from deployments.model.text.structured.schema_strings import content_node


class SchemaValidator:
    """The schemas of one document. References are memoised, so that nested ones stay linear."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._matchers: dict[tuple[str | None, str | None], TextMatcher | None] = {}

    def is_valid(self, value: Any, schema: Any = None) -> bool:
        """Whether `value` is valid by `schema` (None: the whole document)."""
        try:
            return self._valid(self._document if schema is None else schema, value, {})
        except RecursionError:
            return False

    def _valid(self, schema: Any, value: Any, memo: dict[tuple[str, int], bool]) -> bool:
        if isinstance(schema, bool):
            return schema
        if value is None and schema.get("nullable"):
            return True
        if "$ref" in schema:
            return self._valid_reference(schema["$ref"], value, memo)
        return (
            _has_value_and_type(schema, value)
            and self._valid_alternatives(schema, value, memo)
            and self._valid_kind(schema, value, memo)
        )

    def _valid_reference(
        self, reference: str, value: Any, memo: dict[tuple[str, int], bool]
    ) -> bool:
        key = (reference, id(value))
        if key not in memo:
            memo[key] = False  # while it is open: a schema that consists of itself
            memo[key] = self._valid(resolve(self._document, reference), value, memo)
        return memo[key]

    def _valid_alternatives(
        self, schema: Schema, value: Any, memo: dict[tuple[str, int], bool]
    ) -> bool:
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema:
                valid = sum(self._valid(each, value, memo) for each in schema[key])
                needed = {"anyOf": max(1, valid), "oneOf": 1, "allOf": len(schema[key])}
                if valid != needed[key]:
                    return False
        return True

    def _valid_kind(self, schema: Schema, value: Any, memo: dict[tuple[str, int], bool]) -> bool:
        match value:
            case dict():
                return self._valid_object(schema, value, memo)
            case list():
                return self._valid_array(schema, value, memo)
            case str():
                return self._valid_string(schema, value)
            case bool():
                return True
            case int() | float():
                return _valid_number(schema, value)
        return True

    def _valid_object(
        self, schema: Schema, value: dict[str, Any], memo: dict[tuple[str, int], bool]
    ) -> bool:
        properties = schema.get("properties", {})
        if any(name not in value for name in schema.get("required", ())):
            return False
        others = schema.get("additionalProperties", True)
        return all(
            self._valid(properties.get(name, others), member, memo)
            for name, member in value.items()
        )

    def _valid_array(
        self, schema: Schema, value: list[Any], memo: dict[tuple[str, int], bool]
    ) -> bool:
        first, items = schema.get("prefixItems", ()), schema.get("items", True)
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        return all(
            self._valid(first[index] if index < len(first) else items, item, memo)
            for index, item in enumerate(value)
        )

    def _valid_string(self, schema: Schema, value: str) -> bool:
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return False
        key = (schema.get("pattern"), schema.get("format"))
        if key == (None, None):
            return True
        if key not in self._matchers:
            node = content_node(schema, "")
            self._matchers[key] = None if node is None else TextMatcher(node)
        matcher = self._matchers[key]
        return matcher is None or matcher.matches(value)


def _has_value_and_type(schema: Schema, value: Any) -> bool:
    if "const" in schema and not same(value, schema["const"]):
        return False
    if "enum" in schema and not any(same(value, each) for each in schema["enum"]):
        return False
    return "type" not in schema or kind_of(value) in _with_integers(types_of(schema, ""))


def _valid_number(schema: Schema, value: float) -> bool:
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and not schema.get("exclusiveMinimum", value - 1) >= value
        and not schema.get("exclusiveMaximum", value + 1) <= value
    )


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def kind_of(value: Any) -> str:
    """The JSON Schema type of a value; `integer` for numbers without a fraction."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
    return "integer" if float(value).is_integer() else "number"


def _with_integers(types: tuple[str, ...]) -> tuple[str, ...]:
    return (*types, "integer") if "number" in types else types
