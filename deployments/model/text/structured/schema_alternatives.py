"""`oneOf`: whether its alternatives exclude each other, as far as that can be seen.

Two alternatives exclude each other if no value of the grammar of one is valid by the other: other
types, other constants, or objects that lack what the other needs.
"""

from typing import Any

from deployments.model.text.structured.schema_keywords import (
    OF_TYPE,
    below,
    types_of,
    unsupported,
)
from deployments.model.text.structured.schema_references import resolve
from deployments.model.text.structured.schema_validator import kind_of, same


def check_exclusive(alternatives: list[Any], where: str, document: Any) -> None:
    """Raises UnsupportedParameter for the first pair that may share a value."""
    resolved = [_resolved(each, document) for each in alternatives]
    for index, one in enumerate(resolved):
        for other_index, other in enumerate(resolved[:index]):
            if not (_apart(one, other, document) and _apart(other, one, document)):
                unsupported(
                    below(where, index), f"a value may also be valid by alternative {other_index}."
                )


def _resolved(schema: Any, document: Any) -> Any:
    for _ in range(8):
        if not (isinstance(schema, dict) and isinstance(schema.get("$ref"), str)):
            break
        try:
            schema = resolve(document, schema["$ref"])
        except LookupError:
            break  # refused by name where it is compiled
    return schema


def _apart(one: Any, other: Any, document: Any) -> bool:
    """Whether no value written for `one` is valid by `other`."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    if any(key in schema for schema in (one, other) for key in ("anyOf", "oneOf", "allOf", "$ref")):
        return False
    kinds = _kinds(one) & _kinds(other)
    if not kinds:
        return True
    values, others = _values(one), _values(other)
    if values is not None and others is not None:
        return not any(same(value, each) for value in values for each in others)
    return kinds == {"object"} and _objects_apart(one, other, document)


def _objects_apart(one: dict[str, Any], other: dict[str, Any], document: Any) -> bool:
    mine, theirs = one.get("properties", {}), other.get("properties", {})
    if not (isinstance(mine, dict) and isinstance(theirs, dict)):
        return False
    if mine and any(name not in mine for name in other.get("required", ())):
        return True
    closed = other.get("additionalProperties") is False
    for name in one.get("required", ()):
        if name not in theirs:
            if closed:
                return True
            continue
        if name in mine:
            pair = _resolved(mine[name], document), _resolved(theirs[name], document)
            if _constants_apart(*pair):
                return True
    return False


def _constants_apart(one: Any, other: Any) -> bool:
    """Whether two schemas name their values, or their kinds, and share none."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    values, others = _values(one), _values(other)
    if values is not None and others is not None:
        return not any(same(value, each) for value in values for each in others)
    return not (_kinds(one) & _kinds(other))


def _values(schema: dict[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None


def _kinds(schema: dict[str, Any]) -> set[str]:
    values = _values(schema)
    if values is not None:
        kinds = {kind_of(value) for value in values}
    else:
        # keywords without a type are written for one type, and yet valid for all others
        kinds = set(types_of(schema, ""))
        if "type" not in schema and any(not words.isdisjoint(schema) for words in OF_TYPE.values()):
            kinds = set(types_of({}, "")) | kinds
    return {"number" if kind == "integer" else kind for kind in kinds}
