"""The keywords of the subset of JSON Schema, and typed errors for everything else.

Sources: JSON Schema 2020-12 (json-schema.org), and `nullable` of OpenAPI 3.0.
"""

from typing import Any, Final, NoReturn

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter

Schema = dict[str, Any]

TYPES: Final = ("object", "array", "string", "integer", "number", "boolean", "null")
ANNOTATIONS: Final = frozenset(
    (
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$schema",
        "$comment",
        "$defs",
        "definitions",
        "discriminator",
        "contentMediaType",
        "contentEncoding",
    )
)
OF_TYPE: Final = {
    "object": frozenset(("properties", "required", "additionalProperties")),
    "array": frozenset(("items", "prefixItems", "minItems", "maxItems")),
    "string": frozenset(("minLength", "maxLength", "pattern", "format")),
    "number": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")),
}
_SUPPORTED = frozenset(
    ("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "nullable", "$id", "multipleOf")
).union(*OF_TYPE.values())


def unsupported(where: str, why: str) -> NoReturn:
    """Raises UnsupportedParameter: the schema is valid and outside of the subset."""
    raise UnsupportedParameter(where, why)


def invalid(where: str, why: str) -> NoReturn:
    """Raises InvalidRequest: no model could follow the schema."""
    raise InvalidRequest(f"{where}: {why}", param=where)


def below(where: str, key: str | int) -> str:
    """The JSON pointer of a member of what is at `where`."""
    return f"{where}/{str(key).replace('~', '~0').replace('/', '~1')}"


def keywords(schema: Any, where: str) -> frozenset[str]:
    """The keywords of `schema` that mean something, each in the subset. Raises for others."""
    if not isinstance(schema, dict):
        invalid(where, "a schema is an object or a boolean.")
    idle = {"uniqueItems"} if schema.get("uniqueItems") is False else frozenset()
    ignored = ANNOTATIONS | idle
    used = frozenset(key for key in schema if not (key in ignored or key.startswith("x-")))
    for key in schema:
        if key in used and key not in _SUPPORTED:
            unsupported(below(where, key), "the keyword is not in the subset of JSON Schema.")
    if schema.get("multipleOf", 1) != 1:
        unsupported(below(where, "multipleOf"), "only 1 is.")
    if not isinstance(schema.get("nullable", False), bool):
        invalid(below(where, "nullable"), "it must be a boolean.")
    return used


def types_of(schema: Schema, where: str) -> tuple[str, ...]:
    """The types that `schema` names, else the one that its keywords are for, else all."""
    named = schema.get("type")
    if named is None:
        implied = [kind for kind, words in OF_TYPE.items() if not words.isdisjoint(schema)]
        types = tuple(implied[:1]) or TYPES
    else:
        types = tuple(named) if isinstance(named, list) else (named,)
        if not types or not all(kind in TYPES for kind in types):
            invalid(below(where, "type"), f"it must be one or more of {', '.join(TYPES)}.")
    if schema.get("nullable") and "null" not in types:
        types = (*types, "null")
    if "number" in types:  # an integer is a number
        types = tuple(kind for kind in types if kind != "integer")
    return tuple(dict.fromkeys(types))


def count(schema: Schema, key: str, where: str) -> int | None:
    """A keyword that counts, None where it is missing."""
    value = schema.get(key)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        invalid(below(where, key), "it must be a whole number, 0 or more.")
    return value


def schemas(schema: Schema, key: str, where: str) -> list[Any]:
    """A keyword that lists schemas."""
    value = schema[key]
    if not isinstance(value, list) or not value:
        invalid(below(where, key), "it must be a list of schemas.")
    return value
