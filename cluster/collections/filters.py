"""Conditions on the payloads of points: validated where they come in, evaluated as a reference.

A filter is JSON. Its members are conditions, which all have to hold:

    eq      {field: value}     equal; for an array, one of its elements is
    in      {field: [values]}  equal to one of the values
    range   {field: {gt, gte, lt, lte}}  between numbers, or between strings by their code points
    exists  field, or a list of fields: each is there, also where it is null
    and, or [filters]
    not     filter

`a.b` is the member `b` of the object `a`, unless the payload has a member of that name. Numbers are
equal by their value; true and false equal no number.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.runtime.problems import InvalidRequest

MAX_DEPTH = 8
MAX_CONDITIONS = 200
MAX_VALUES = 1_000  # of one `in`
MAX_FIELD = 200  # characters
BOUNDS = ("gt", "gte", "lt", "lte")
OPERATORS = ("eq", "in", "range", "exists", "and", "or", "not")
_MISSING = object()


def check_filter(filter: Any, param: str = "filter") -> None:
    """Raises InvalidRequest, which names the part that is no condition."""
    if sum(1 for _ in _conditions(filter, param, 1)) > MAX_CONDITIONS:
        raise _invalid(param, f"has over {MAX_CONDITIONS} conditions")


def matches(filter: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    """Whether the payload passes a valid filter."""
    return all(_holds(operator, operand, payload) for operator, operand in filter.items())


def field_value(payload: Mapping[str, Any], field: str) -> tuple[bool, Any]:
    """Whether the payload has the field, and its value."""
    found = _find(payload, field)
    return (False, None) if found is _MISSING else (True, found)


def values_equal(left: Any, right: Any) -> bool:
    """As JSON values; true is no 1."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _conditions(filter: Any, at: str, depth: int) -> Iterator[str]:
    """The places of conditions, each of which is valid."""
    if not isinstance(filter, Mapping) or not filter:
        raise _invalid(at, f"must be an object with at least one of: {', '.join(OPERATORS)}")
    if depth > MAX_DEPTH:
        raise _invalid(at, f"is nested deeper than {MAX_DEPTH} levels")
    for operator, operand in filter.items():
        if operator not in OPERATORS:
            raise _invalid(at, f"has '{str(operator)[:40]}'; there are: {', '.join(OPERATORS)}")
        here = f"{at}.{operator}"
        if operator in ("and", "or", "not"):
            yield from _nested(operator, operand, here, depth + 1)
        elif operator == "exists":
            yield from _existing(operand, here)
        else:
            yield from _comparisons(operator, operand, here)


def _nested(operator: str, operand: Any, at: str, depth: int) -> Iterator[str]:
    if operator == "not":
        yield from _conditions(operand, at, depth)
        return
    if not isinstance(operand, list) or not operand:
        raise _invalid(at, "must be a list of filters")
    for index, each in enumerate(operand):
        yield from _conditions(each, f"{at}.{index}", depth)


def _existing(operand: Any, at: str) -> Iterator[str]:
    for field in operand if isinstance(operand, list) and operand else [operand]:
        _check_field(field, at)
        yield at


def _comparisons(operator: str, operand: Any, at: str) -> Iterator[str]:
    if not isinstance(operand, Mapping) or not operand:
        raise _invalid(at, "must be an object of fields")
    for field, value in operand.items():
        _check_field(field, at)
        here = f"{at}.{field}"
        if operator == "range":
            _check_range(value, here)
        elif operator == "eq":
            _check_scalar(value, here)
        else:
            if not isinstance(value, list) or not 1 <= len(value) <= MAX_VALUES:
                raise _invalid(here, f"must be a list of 1 to {MAX_VALUES} values")
            for each in value:
                _check_scalar(each, here)
        yield here


def _check_field(field: Any, at: str) -> None:
    if not isinstance(field, str) or not 1 <= len(field) <= MAX_FIELD:
        raise _invalid(at, f"must name a field by 1 to {MAX_FIELD} characters")


def _check_scalar(value: Any, at: str) -> None:
    if not (value is None or isinstance(value, str | int | float)):
        raise _invalid(at, "must be a string, a number, true, false or null")


def _check_range(value: Any, at: str) -> None:
    if not isinstance(value, Mapping) or not value or not set(value) <= set(BOUNDS):
        raise _invalid(at, f"must be an object with at least one of: {', '.join(BOUNDS)}")
    kinds = {_kind(each) for each in value.values()}
    if len(kinds) > 1 or not kinds <= {"number", "string"}:
        raise _invalid(at, "must have numbers, or strings")


def _holds(operator: str, operand: Any, payload: Mapping[str, Any]) -> bool:
    if operator == "and":
        return all(matches(each, payload) for each in operand)
    if operator == "or":
        return any(matches(each, payload) for each in operand)
    if operator == "not":
        return not matches(operand, payload)
    if operator == "exists":
        fields = operand if isinstance(operand, list) else [operand]
        return all(_find(payload, field) is not _MISSING for field in fields)
    return all(_compares(operator, value, payload, field) for field, value in operand.items())


def _compares(operator: str, wanted: Any, payload: Mapping[str, Any], field: str) -> bool:
    found = _find(payload, field)
    if found is _MISSING:
        return False
    elements = found if isinstance(found, list) else [found]
    if operator == "range":
        return any(_is_within(each, wanted) for each in elements)
    values = wanted if operator == "in" else [wanted]
    return any(values_equal(each, value) for each in elements for value in values)


def _is_within(value: Any, bounds: Mapping[str, Any]) -> bool:
    if any(_kind(value) != _kind(bound) for bound in bounds.values()):
        return False
    return (
        ("gt" not in bounds or value > bounds["gt"])
        and ("gte" not in bounds or value >= bounds["gte"])
        and ("lt" not in bounds or value < bounds["lt"])
        and ("lte" not in bounds or value <= bounds["lte"])
    )


def _find(payload: Any, field: str) -> Any:
    if not isinstance(payload, Mapping):
        return _MISSING
    if field in payload:
        return payload[field]
    first, dot, rest = field.partition(".")
    return _find(payload.get(first), rest) if dot else _MISSING


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "other"


def _invalid(at: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{at}: {why}.", param=at)
