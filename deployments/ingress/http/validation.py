"""Pydantic's findings as a problem: few, short, and of the right branch of a union.

Flows in: a ValidationError and the body, parsed, that it speaks of. Flows out: a Malformed of at
most MAX_FAULTS faults, each with an RFC 6901 pointer into the body, which says how many more there
are. However many faults a body has, the work is bounded: pydantic is asked for the faults of a
reduced body where it has found over MAX_LISTED in the whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cluster.runtime.problems import Malformed

MAX_FAULTS = 20  # faults in an answer
MAX_LISTED = 200  # faults that pydantic is asked to describe
MAX_MEMBERS = 32  # of each array, and of each object's members that no schema names
MAX_STEP, MAX_POINTER, MAX_DETAIL = 100, 500, 300  # characters

_TOO_MANY = "has {} faults"
_PREFIX, _VALUE_ERROR = "Input should be ", "Value error, "
_OTHER_TYPES = ("none_required", "model_type", "dataclass_type")


def from_validation_error(
    error: ValidationError, body: object | None, schema: type[BaseModel] | None = None
) -> Malformed:
    """`schema` is what the body was checked against; without it the reduced body loses fields."""
    total = error.error_count()
    if total > MAX_LISTED:
        body = _reduced(body, frozenset() if schema is None else _field_names(schema))
        found = _faults_of(schema, body)
    else:
        found = _listed(error)
    faults = list(_of_best_branches([_Fault.of(each, body) for each in found], 0))
    if not faults:
        return Malformed.at("", _TOO_MANY.format(total), "too-many-faults")
    shown = faults[:MAX_FAULTS]
    hidden = total if total > MAX_LISTED else len(faults)
    return Malformed([fault.shown() for fault in shown], more=max(0, hidden - len(shown)))


def of_parameters(errors: Sequence[Any]) -> Malformed:
    """FastAPI's findings about path, query and headers: the first few, named by place."""
    shown = [
        {
            "pointer": "",
            "detail": _cut(
                ".".join(_cut(str(step), MAX_STEP) for step in error["loc"]), MAX_POINTER
            )
            + f": {_cut(error['msg'], MAX_DETAIL)}",
            "type": error["type"],
        }
        for error in errors[:MAX_FAULTS]
    ]
    return Malformed(shown, more=len(errors) - len(shown))


@dataclass(frozen=True, slots=True)
class _Fault:
    """`branches` are the unions on the way: how many steps lead there, and the branch's name."""

    steps: tuple[int | str, ...]
    branches: tuple[tuple[int, str], ...]
    type: str
    detail: str

    @classmethod
    def of(cls, found: ErrorDetails, body: object) -> "_Fault":
        steps: list[int | str] = []
        branches: list[tuple[int, str]] = []
        here, location = body, found["loc"]
        for index, step in enumerate(location):
            if _leads_on(here, step):
                here = here[step]  # type: ignore[index]
                steps.append(step)
            elif index == len(location) - 1 and found["type"].startswith("missing"):
                steps.append(step)
            else:  # names the branch of a union, or a validator
                branches.append((len(steps), str(step)))
        detail = found["msg"].removeprefix(_VALUE_ERROR)
        return cls(tuple(steps), tuple(branches), found["type"], detail)

    def is_of_another_type(self, depth: int) -> bool:
        """Whether the value that `depth` steps lead to is not even of the branch's type."""
        wrong = self.type.endswith("_type") or self.type in _OTHER_TYPES
        return wrong and len(self.steps) == depth

    def shown(self) -> dict[str, Any]:
        pointer = "".join(f"/{_escaped(step)}" for step in self.steps)
        return {
            "pointer": _cut(pointer, MAX_POINTER),
            "detail": _cut(self.detail, MAX_DETAIL),
            "type": self.type,
        }


def _of_best_branches(faults: Sequence[_Fault], level: int) -> Iterator[_Fault]:
    """The faults, but of each union only those of the branch that the value is closest to."""
    done: set[tuple[int | str, ...]] = set()
    for fault in faults:
        if len(fault.branches) <= level:
            yield fault
            continue
        place = fault.steps[: fault.branches[level][0]]
        if place not in done:
            done.add(place)
            yield from _of_best_branches(_best_branch(faults, place, level), level + 1)


def _best_branch(
    faults: Sequence[_Fault], place: tuple[int | str, ...], level: int
) -> Sequence[_Fault]:
    """A branch of the value's own type, and of several the one with the fewest faults."""
    depth = len(place)
    branches: dict[str, list[_Fault]] = {}
    for fault in faults:
        at, branch = fault.branches[level] if len(fault.branches) > level else (-1, "")
        if at == depth and fault.steps[:depth] == place:
            branches.setdefault(branch, []).append(fault)
    fitting = [
        each
        for each in branches.values()
        if not any(fault.is_of_another_type(depth) for fault in each)
    ]
    if fitting:
        return min(fitting, key=len)
    return [_merged([fault for each in branches.values() for fault in each])]


def _merged(faults: Sequence[_Fault]) -> _Fault:
    """One fault for a value that is of no branch's type, which names the types of all."""
    first, details = faults[0], list(dict.fromkeys(fault.detail for fault in faults))
    if len(details) > 1 and all(detail.startswith(_PREFIX) for detail in details):
        detail = _PREFIX + " or ".join(detail.removeprefix(_PREFIX) for detail in details)
    else:
        detail = details[0]
    return _Fault(first.steps, (), first.type, detail)


def _listed(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False, include_context=False)


def _faults_of(schema: type[BaseModel] | None, body: object) -> list[ErrorDetails]:
    if schema is None:
        return []
    try:
        schema.model_validate_json(orjson.dumps(body))
    except ValidationError as error:
        return _listed(error) if error.error_count() <= MAX_LISTED else []
    return []


def _reduced(body: object, known: frozenset[str]) -> object:
    """The same with few members: of objects those that schemas name, and some others."""
    if isinstance(body, list):
        return [_reduced(each, known) for each in body[:MAX_MEMBERS]]
    if not isinstance(body, dict):
        return body
    kept, others = {}, 0
    for name, value in body.items():
        others += name not in known
        if name in known or others <= MAX_MEMBERS:
            kept[name] = _reduced(value, known)
    return kept


@cache
def _field_names(schema: type[BaseModel]) -> frozenset[str]:
    """Of the schema and of all that its fields lead to."""
    described = schema.model_json_schema()
    models = [described, *described.get("$defs", {}).values()]
    return frozenset(name for model in models for name in model.get("properties", {}))


def _leads_on(here: object, step: int | str) -> bool:
    if isinstance(here, dict):
        return step in here
    return isinstance(here, list) and isinstance(step, int) and step < len(here)


def _escaped(step: int | str) -> str:
    return _cut(str(step), MAX_STEP).replace("~", "~0").replace("/", "~1")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"
