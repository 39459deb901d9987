"""Values that processes of different versions hand each other while a cluster is rolled.

`version_tolerant` stands above `@dataclass(frozen=True, slots=True)`. What is pickled is the
fields' values
in their order, as dataclasses do it by themselves; but a value from an older version gets defaults
for the fields that it lacks, and of one from a newer version those that are unknown here are left
out. So the rule for fields is: append, with a default; never move, never remove. A test pins the
order (tests/unit/runtime/test_carried.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def version_tolerant(cls: type[T]) -> type[T]:
    """Let instances of a slotted dataclass cross between versions; costs less than without it."""
    made: Any = cls
    known = fields(made)
    setters = [getattr(cls, field.name).__set__ for field in known]
    defaults = [_default(cls, field) for field in known]

    def take(self: T, state: Sequence[Any]) -> None:
        for put, value in zip(setters, state, strict=False):
            put(self, value)
        for number in range(len(state), len(setters)):
            setters[number](self, defaults[number]())

    made.__getstate__ = _values([field.name for field in known])
    made.__setstate__ = take
    return cls


def _values(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    get = attrgetter(*names)
    if len(names) == 1:
        return lambda value: (get(value),)
    return lambda value: get(value)


def _default(cls: type, field: Field[Any]) -> Callable[[], Any]:
    if field.default_factory is not MISSING:
        return field.default_factory
    if field.default is not MISSING:
        return lambda: field.default

    def missing() -> Any:
        raise TypeError(f"{cls.__name__}.{field.name} was not sent and has no default")

    return missing
