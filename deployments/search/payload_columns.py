"""Fields of payloads in columns, by which filters become masks of rows.

In: payloads as JSON by row, filters (cluster/collections/filters.py, which says what they mean).
Out: masks. A column is made when a filter first names its field, and grows with the rows.
"""

import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from cluster.collections.filters import field_value, matches
from deployments.search.growing_array import GrowingArray

Mask = NDArray[np.bool_]
_EXACT = 2**53  # integers up to it are exact in float64
_OTHER = -1  # an object or an array, which equals nothing
_NUMBERS = (int, float)
_LONG = re.compile(rb"\d{19}")


class PayloadColumns:
    """`encoded` are the payloads."""

    def __init__(self) -> None:
        self.encoded: list[bytes] = []
        self._bytes = 0
        self._columns: dict[str, _Column] = {}

    @property
    def nbytes(self) -> int:
        columns = sum(column.nbytes for column in self._columns.values())
        return self._bytes + 60 * len(self.encoded) + columns

    def extend(self, payloads: Sequence[bytes]) -> None:
        """Of the next rows, as JSON."""
        self.encoded += [b"" if payload == b"{}" else payload for payload in payloads]
        self._bytes += sum(map(len, payloads))

    def mask(self, filter: Mapping[str, Any]) -> Mask:
        """The rows that pass a valid filter."""
        mask = np.ones(len(self.encoded), np.bool_)
        for name, operand in filter.items():
            mask &= self._holds(name, operand)
        return mask

    def keep(self, kept: Mask) -> None:
        """Drops the other rows; those that stay move up."""
        self.encoded = [self.encoded[row] for row in np.flatnonzero(kept)]
        self._bytes = sum(map(len, self.encoded))
        self._columns = {}

    def _holds(self, operator: str, operand: Any) -> Mask:
        if operator == "and":
            return np.logical_and.reduce([self.mask(each) for each in operand])
        if operator == "or":
            return np.logical_or.reduce([self.mask(each) for each in operand])
        if operator == "not":
            return ~self.mask(operand)
        if operator == "exists":
            fields = operand if isinstance(operand, list) else [operand]
            return np.logical_and.reduce([self._column(field).present() for field in fields])
        masks = [self._column(field).mask(operator, value) for field, value in operand.items()]
        return np.logical_and.reduce(masks)

    def _column(self, field: str) -> "_Column":
        column = self._columns.setdefault(field, _Column(field))
        if column.rows < len(self.encoded):
            column.extend(map(_read, self.encoded[column.rows :]))
        return column


class _Column:
    """The values of one field. `_codes` number different values; an array has several entries."""

    def __init__(self, field: str) -> None:
        self.rows = 0
        self._field = field
        self._present = GrowingArray(np.bool_)
        self._entries = GrowingArray(np.int32)  # rows
        self._codes = GrowingArray(np.int32)
        self._code_of: dict[tuple[str, Any], int] = {}
        self._values: list[Any] = []
        self._numbers = GrowingArray(np.float64)  # of each code; NaN: it is no number
        self._is_exact = True  # every number is one that float64 has

    @property
    def nbytes(self) -> int:
        arrays = (self._present, self._entries, self._codes, self._numbers)
        return sum(array.nbytes for array in arrays) + 150 * len(self._values)

    def extend(self, payloads: Iterable[Mapping[str, Any]]) -> None:
        present, entries, codes = [], [], []
        for row, payload in enumerate(payloads, self.rows):
            is_there, value = field_value(payload, self._field)
            present.append(is_there)
            if is_there:
                for element in value if isinstance(value, list) else [value]:
                    entries.append(row)
                    codes.append(self._code(element))
        self._present.extend(present)
        self._entries.extend(entries)
        self._codes.extend(codes)
        numbers = [_as_number(value) for value in self._values[len(self._numbers) :]]
        self._is_exact = self._is_exact and None not in numbers
        self._numbers.extend([np.nan if number is None else number for number in numbers])
        self.rows += len(present)

    def present(self) -> Mask:
        return self._present.values.copy()

    def mask(self, operator: str, operand: Any) -> Mask:
        """The rows of which one value is as `operator` (eq, in or range) says."""
        if operator == "range":
            codes = self._within(operand)
        else:
            codes = self._equal([operand] if operator == "eq" else operand)
        mask = np.zeros(self.rows, np.bool_)
        mask[self._entries.values[codes[self._codes.values]]] = True
        return mask

    def _equal(self, wanted: list[Any]) -> Mask:
        """Codes that equal one of the values; the last one is of objects and arrays."""
        chosen = np.zeros(len(self._values) + 1, np.bool_)
        for value in wanted:
            code = self._code_of.get(_key(value))
            if code is not None:
                chosen[code] = True
        return chosen

    def _within(self, bounds: Mapping[str, Any]) -> Mask:
        chosen = np.zeros(len(self._values) + 1, np.bool_)
        given = bounds.values()
        if self._is_exact and all(_is_exact(bound) for bound in given):
            chosen[:-1] = _between(self._numbers.values, bounds)
            return chosen
        if all(isinstance(bound, str) for bound in given):
            chosen[:-1] = _strings_between(self._values, bounds)
            return chosen
        condition = {"range": {"value": bounds}}
        for code, value in enumerate(self._values):
            chosen[code] = matches(condition, {"value": value})
        return chosen

    def _code(self, value: Any) -> int:
        if isinstance(value, list | dict):
            return _OTHER
        key = _key(value)
        code = self._code_of.get(key)
        if code is None:
            code = self._code_of[key] = len(self._values)
            self._values.append(value)
        return code


def _read(payload: bytes) -> Any:
    """Integers of over 64 bits keep their value."""
    if not payload:
        return {}
    return json.loads(payload) if _LONG.search(payload) else orjson.loads(payload)


def _between(numbers: NDArray[np.float64], bounds: Mapping[str, Any]) -> Mask:
    """NaN is between no bounds."""
    tests: Iterator[Mask] = (
        _COMPARED[name](numbers, float(bound)) for name, bound in bounds.items()
    )
    return np.logical_and.reduce(list(tests))


def _strings_between(values: Sequence[Any], bounds: Mapping[str, str]) -> list[bool]:
    """One test at a time over all values: there may be a million."""
    inside = [isinstance(value, str) for value in values]
    for name, bound in bounds.items():
        compare = _OPERATORS[name]
        inside = [
            is_in and compare(value, bound) for is_in, value in zip(inside, values, strict=True)
        ]
    return inside


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_COMPARED: Mapping[str, Any] = {
    "gt": np.greater,
    "gte": np.greater_equal,
    "lt": np.less,
    "lte": np.less_equal,
}


def _as_number(value: Any) -> float | None:
    """In float64; NaN: it is no number. None: it is one that float64 does not have."""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return math.nan
    return float(value) if _is_exact(value) else None


def _is_exact(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return False
    return isinstance(value, float) or abs(value) <= _EXACT


def _key(value: Any) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, _NUMBERS):
        return "number", value
    return ("null", None) if value is None else ("string", value)
