"""Whether a JSON Schema is one that OpenAI's strict mode takes.

Strict mode guarantees the form of an answer, and refuses a schema outside of its subset; without
it the schema is a hint. In: a parsed schema. Out: whether `strict` can be sent.
"""

from typing import Any

_UNSUPPORTED = frozenset(
    {
        "allOf",
        "not",
        "dependentRequired",
        "dependentSchemas",
        "if",
        "then",
        "else",
        "patternProperties",
        "oneOf",
        "unevaluatedProperties",
        "contains",
        "propertyNames",
    }
)
_MAX_NODES = 2_000


def is_strict(schema: Any) -> bool:
    """Every object closes `additionalProperties` and requires each of its properties."""
    if not isinstance(schema, dict) or schema.get("type") != "object" or "anyOf" in schema:
        return False
    nodes, checked = [schema], 0
    while nodes:
        node = nodes.pop()
        checked += 1
        if checked > _MAX_NODES or not _is_closed(node):
            return False
        nodes += _children(node)
    return True


def _is_closed(node: dict[str, Any]) -> bool:
    if not _UNSUPPORTED.isdisjoint(node):
        return False
    properties = node.get("properties", {})
    if node.get("type") != "object" and not properties:
        return True
    if not isinstance(properties, dict) or node.get("additionalProperties") is not False:
        return False
    required = node.get("required", [])
    return isinstance(required, list) and {*properties} <= {str(name) for name in required}


def _children(node: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[Any] = [node.get("items")]
    for name in ("properties", "$defs", "definitions"):
        group = node.get(name)
        if isinstance(group, dict):
            found += group.values()
    for name in ("anyOf", "prefixItems"):
        group = node.get(name)
        if isinstance(group, list):
            found += group
    return [child for child in found if isinstance(child, dict)]
