"""OpenAI's filters over attributes of files, as filters of collections (docs/guides/search.md)."""

from typing import Any, Protocol

_RANGES = frozenset({"gt", "gte", "lt", "lte"})


class AttributeComparison(Protocol):
    """An attribute is compared with a value."""

    @property
    def type(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def value(self) -> Any: ...


def comparison_filter(comparison: AttributeComparison) -> dict[str, Any]:
    """A file without the attribute is unequal to every value."""
    field, kind, value = f"attributes.{comparison.key}", comparison.type, comparison.value
    if kind in _RANGES:
        return {"range": {field: {kind: value}}}
    if kind == "ne":
        return {"not": {"eq": {field: value}}}
    if kind == "nin":
        return {"not": {"in": {field: list(value)}}}
    return {kind: {field: list(value) if kind == "in" else value}}
