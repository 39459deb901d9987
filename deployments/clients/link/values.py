"""Values of contracts as msgpack, by position, tolerant of other versions.

In: a `version_tolerant` dataclass (cluster/runtime/pickle_compat.py) or a Problem. Out: lists and
scalars for a message's body; and back. As when pickled, fields that a later version has appended
are dropped, and missing ones get their defaults. What comes is data: no class is named in it but
those of problems, and nothing is run.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from cluster.runtime.problems import Problem, problem_parts, rebuild_problem

T = TypeVar("T")
Convert = Callable[[Any], Any]

_OUR_MODULES = ("cluster.", "deployments.")
_MAX_BASES = 16
_FAULTS = (TypeError, ValueError, LookupError, AttributeError, OverflowError)


class ValueFault(Exception):
    """A body that is no value of the expected class."""


class ValueCodec(Generic[T]):
    """Converts values of one class to plain ones and back."""

    def __init__(self, cls: type[T]) -> None:
        """Raises TypeError for a class with a field that has no form on a link."""
        hint: Any = cls
        self._encode, self._decode = _converters(hint)

    def encode(self, value: T) -> Any:
        return self._encode(value) if self._encode is not None else value

    def decode(self, body: Any) -> T:
        """Raises ValueFault."""
        if self._decode is None:
            return body
        try:
            return self._decode(body)
        except _FAULTS as error:
            raise ValueFault(f"{type(error).__name__}: {error}") from None


def encode_problem(problem: Problem) -> Any:
    names, args, state = problem_parts(problem)
    return [names, args, state]


def decode_problem(body: Any) -> Problem:
    """A problem of the nearest known class. Raises ValueFault."""
    try:
        names, args, state = body
        known = tuple(
            (module, name) for module, name in names[:_MAX_BASES] if module.startswith(_OUR_MODULES)
        )
        if not (isinstance(args, list) and isinstance(state["detail"], str)):
            raise TypeError("a problem has arguments and a detail")
        if not isinstance(state["extensions"], Mapping):
            raise TypeError("extensions are a mapping")
        return rebuild_problem(known, tuple(args), state)
    except _FAULTS as error:
        raise ValueFault(f"no problem: {type(error).__name__}: {error}") from None


@cache
def _converters(hint: Any) -> tuple[Convert | None, Convert | None]:
    """To plain values and back; None: as it is."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(args)
    if origin is tuple:
        return _tuple(args)
    if origin is frozenset:
        return _frozenset(args[0])
    if origin is np.ndarray:
        return _array_to_plain, _array_from_plain
    if is_dataclass(hint):
        return _dataclass(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return None, _enum(hint)
    is_plain = hint in (str, bytes, int, float, bool, Any)
    if is_plain or origin in (Literal, dict, Mapping):  # of JSON's values
        return None, None
    raise TypeError(f"{hint} has no form on a link")


def _optional(args: tuple[Any, ...]) -> tuple[Convert | None, Convert | None]:
    [inner] = [arg for arg in args if arg is not types.NoneType]
    encode, decode = _converters(inner)
    return _unless_none(encode), _unless_none(decode)


def _unless_none(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda value: None if value is None else convert(value)


def _tuple(args: tuple[Any, ...]) -> tuple[Convert | None, Convert | None]:
    if len(args) == 2 and args[1] is Ellipsis:
        encode, decode = _converters(args[0])
        to_plain = None if encode is None else lambda values: [encode(value) for value in values]
        if decode is None:
            return to_plain, lambda values: tuple(_list(values))
        return to_plain, lambda values: tuple([decode(value) for value in _list(values)])
    if any(convert is not None for arg in args for convert in _converters(arg)):
        raise TypeError("a tuple of several types may hold plain values only")
    return None, lambda values: tuple(_list(values))


def _frozenset(item: Any) -> tuple[Convert | None, Convert | None]:
    _, decode = _converters(item)
    if decode is None:
        return list, lambda values: frozenset(_list(values))
    return list, lambda values: frozenset([decode(value) for value in _list(values)])


def _enum(cls: type[Enum]) -> Convert:
    """A value of a later version stays text, as when pickled."""
    members = {member.value: member for member in cls}
    return lambda value: members.get(value, value)


def _dataclass(cls: Any) -> tuple[Convert, Convert]:
    hints = get_type_hints(cls)
    converters = [_converters(hints[field.name]) for field in fields(cls)]
    encoders = [(index, each) for index, (each, _) in enumerate(converters) if each is not None]
    decoders = [(index, each) for index, (_, each) in enumerate(converters) if each is not None]

    def encode(value: Any) -> Any:
        state = value.__getstate__()
        if not encoders:
            return state
        state = list(state)
        for index, convert in encoders:
            state[index] = convert(state[index])
        return state

    def decode(body: Any) -> Any:
        state = _list(body)
        size = len(state)
        for index, convert in decoders:
            if index < size:
                state[index] = convert(state[index])
        value = cls.__new__(cls)
        value.__setstate__(state)
        return value

    return encode, decode


def _list(body: Any) -> list[Any]:
    if type(body) is not list:
        raise TypeError(f"{type(body).__name__} in place of a list")
    return body


def _array_to_plain(array: np.ndarray[Any, Any]) -> Any:
    return [array.shape, np.asarray(array, np.float32).tobytes()]


def _array_from_plain(body: Any) -> np.ndarray[Any, Any]:
    """Read-only, over the message's bytes."""
    shape, data = body
    return np.frombuffer(data, np.float32).reshape(tuple(_list(shape)))
