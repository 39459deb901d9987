"""What differs between two versions: a unified diff of their texts, and changes by field.

Takes up to a second for hostile texts of the most lines: call it in a thread.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.templates.document import TEXT, TemplateDocument

CONTEXT = 3  # unchanged lines around a change


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`field` is dotted. `before` is None where it was added, `after` where it was removed."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class VersionDiff:
    text: str
    changes: tuple[FieldChange, ...]


def compare(
    before: TemplateDocument, after: TemplateDocument, before_name: str, after_name: str
) -> VersionDiff:
    """The names are those of the two versions in the diff's head."""
    lines = difflib.unified_diff(
        _lines(before), _lines(after), before_name, after_name, n=CONTEXT, lineterm=""
    )
    return VersionDiff("\n".join(lines), tuple(_changes(before, after)))


def _lines(document: TemplateDocument) -> list[str]:
    """The texts; in a template of messages each after a line with its role."""
    lines: list[str] = []
    for role, content in document.sources():
        if role != TEXT:
            lines.append(f"[{role}]")
        lines += content.splitlines()
    return lines


def _changes(before: TemplateDocument, after: TemplateDocument) -> Iterator[FieldChange]:
    roles = [[role for role, _ in each.sources()] for each in (before, after)]
    if roles[0] != roles[1]:
        yield FieldChange("messages", *roles)
    yield from _different("variables", _fields(before.variables), _fields(after.variables))
    dumped = [each.defaults.model_dump(exclude_none=True) for each in (before, after)]
    yield from _different("defaults", *dumped)


def _fields(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each.model_dump(exclude_defaults=True) for name, each in variables.items()}


def _different(
    field: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[FieldChange]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield FieldChange(f"{field}.{name}", old, new)
