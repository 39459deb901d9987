"""Pydantic's errors as a problem: few, short, and of the right branch of a union.

In: a ValidationError and the parsed body that it is about. Out: a Malformed of at most MAX_FAULTS
faults, each with an RFC 6901 pointer into the body, and the number of further faults. The work is
bounded however many faults a body has: where pydantic finds over MAX_LISTED, a reduced body is
validated instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cluster.runtime.problems import Malformed

MAX_FAULTS = 20  # faults in a response
MAX_LISTED = 200  # faults that pydantic describes
MAX_MEMBERS = 32  # of each array, and of each object's members that no schema names
MAX_STEP, MAX_POINTER, MAX_DETAIL = 100, 500, 300  # characters

_TOO_MANY = "has {} faults"
_PREFIX, _VALUE_ERROR = "Input should be ", "Value error, "
_OTHER_TYPES = ("none_required", "model_type", "dataclass_type")


Extra = Literal["ignore", "forbid"]


def from_validation_error(
    error: ValidationError,
    body: object | None,
    schema: type[BaseModel] | None = None,
    extra: Extra = "forbid",
) -> Malformed:
    """`schema` is the body's schema; without it the reduced body loses fields. `extra` is what the
    validation did with fields that the schema does not have.
    """
    total = error.error_count()
    if total > MAX_LISTED:
        body = _reduce(body, frozenset() if schema is None else _field_names(schema))
        details = _validate(schema, body, extra)
    else:
        details = _list(error)
    faults = list(_of_best_branches([_Fault.from_details(each, body) for each in details], 0))
    if not faults:
        return Malformed.at("", _TOO_MANY.format(total), "too-many-faults")
    shown = faults[:MAX_FAULTS]
    count = total if total > MAX_LISTED else len(faults)
    return Malformed([fault.to_dict() for fault in shown], more=max(0, count - len(shown)))


def of_parameters(errors: Sequence[Any]) -> Malformed:
    """FastAPI's errors in path, query and headers: the first few, with their location."""
    shown = [
        {
            "pointer": "",
            "detail": _truncate(
                ".".join(_truncate(str(step), MAX_STEP) for step in error["loc"]), MAX_POINTER
            )
            + f": {_truncate(error['msg'], MAX_DETAIL)}",
            "type": error["type"],
        }
        for error in errors[:MAX_FAULTS]
    ]
    return Malformed(shown, more=len(errors) - len(shown))


@dataclass(frozen=True, slots=True)
class _Fault:
    """`branches` are the unions on the path: the number of steps to each, and its branch's name."""

    steps: tuple[int | str, ...]
    branches: tuple[tuple[int, str], ...]
    type: str
    detail: str

    @classmethod
    def from_details(cls, details: ErrorDetails, body: object) -> "_Fault":
        steps: list[int | str] = []
        branches: list[tuple[int, str]] = []
        value, location = body, details["loc"]
        for index, step in enumerate(location):
            if _has_member(value, step) and not _is_tag(value, location[index:]):
                value = value[step]  # type: ignore[index]
                steps.append(step)
            elif index == len(location) - 1 and details["type"].startswith("missing"):
                steps.append(step)
            else:  # names the branch of a union, or a validator
                branches.append((len(steps), str(step)))
        message = details["msg"].removeprefix(_VALUE_ERROR)
        return cls(tuple(steps), tuple(branches), details["type"], message)

    def is_of_another_type(self, depth: int) -> bool:
        """Whether the value at `depth` steps has another type than the branch."""
        is_type_error = self.type.endswith("_type") or self.type in _OTHER_TYPES
        return is_type_error and len(self.steps) == depth

    def to_dict(self) -> dict[str, Any]:
        pointer = "".join(f"/{_escape(step)}" for step in self.steps)
        return {
            "pointer": _truncate(pointer, MAX_POINTER),
            "detail": _truncate(self.detail, MAX_DETAIL),
            "type": self.type,
        }


def _of_best_branches(faults: Sequence[_Fault], level: int) -> Iterator[_Fault]:
    """The faults, but of each union only those of the branch that is closest to the value."""
    done: set[tuple[int | str, ...]] = set()
    for fault in faults:
        if len(fault.branches) <= level:
            yield fault
            continue
        union = fault.steps[: fault.branches[level][0]]
        if union not in done:
            done.add(union)
            yield from _of_best_branches(_best_branch(faults, union, level), level + 1)


def _best_branch(
    faults: Sequence[_Fault], union: tuple[int | str, ...], level: int
) -> Sequence[_Fault]:
    """The branch of the value's own type; of several, the one with the fewest faults."""
    depth = len(union)
    branches: dict[str, list[_Fault]] = {}
    for fault in faults:
        steps, branch = fault.branches[level] if len(fault.branches) > level else (-1, "")
        if steps == depth and fault.steps[:depth] == union:
            branches.setdefault(branch, []).append(fault)
    matching = [
        branch_faults
        for branch_faults in branches.values()
        if not any(fault.is_of_another_type(depth) for fault in branch_faults)
    ]
    if matching:
        return min(matching, key=len)
    return [_merge([fault for each in branches.values() for fault in each])]


def _merge(faults: Sequence[_Fault]) -> _Fault:
    """One fault for a value of no branch's type, which names the types of all branches."""
    first, details = faults[0], list(dict.fromkeys(fault.detail for fault in faults))
    if len(details) > 1 and all(detail.startswith(_PREFIX) for detail in details):
        detail = _PREFIX + " or ".join(detail.removeprefix(_PREFIX) for detail in details)
    else:
        detail = details[0]
    return _Fault(first.steps, (), first.type, detail)


def _list(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False, include_context=False)


def _validate(schema: type[BaseModel] | None, body: object, extra: Extra) -> list[ErrorDetails]:
    if schema is None:
        return []
    try:
        schema.model_validate_json(orjson.dumps(body), extra=extra)
    except ValidationError as error:
        return _list(error) if error.error_count() <= MAX_LISTED else []
    return []


def _reduce(body: object, known: frozenset[str]) -> object:
    """The body with few members: of objects those that schemas name, and some others."""
    if isinstance(body, list):
        return [_reduce(each, known) for each in body[:MAX_MEMBERS]]
    if not isinstance(body, dict):
        return body
    reduced, others = {}, 0
    for name, value in body.items():
        others += name not in known
        if name in known or others <= MAX_MEMBERS:
            reduced[name] = _reduce(value, known)
    return reduced


@cache
def _field_names(schema: type[BaseModel]) -> frozenset[str]:
    """Of the schema and all schemas that it refers to."""
    json_schema = schema.model_json_schema()
    models = [json_schema, *json_schema.get("$defs", {}).values()]
    return frozenset(name for model in models for name in model.get("properties", {}))


def _has_member(value: object, step: int | str) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _is_tag(value: object, rest: Sequence[int | str]) -> bool:
    """Whether a step names a branch by its discriminator (`text`), though the value has a member of
    that name: the step after it goes to another member of the value.
    """
    if len(rest) < 2 or not isinstance(value, dict):
        return False
    return rest[1] in value and not isinstance(value[rest[0]], dict | list)


def _escape(step: int | str) -> str:
    return _truncate(str(step), MAX_STEP).replace("~", "~0").replace("/", "~1")


def _truncate(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"
