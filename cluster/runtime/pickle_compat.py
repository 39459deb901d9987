"""Pickling of dataclasses between processes of different versions, as during a rolling update.

`version_tolerant` decorates a `@dataclass(frozen=True, slots=True)`. The field values are pickled
in order, as dataclasses do by default; a value of an older version gets defaults for missing
fields, unknown fields of a newer version are dropped. So fields may only be appended, with a
default, never moved or removed. A test pins the order (tests/unit/runtime/test_carried.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from operator import attrgetter
from typing import Any, TypeVar

from cluster.runtime.quick_init import quick_init

T = TypeVar("T")


def version_tolerant(cls: type[T]) -> type[T]:
    """Makes pickles of a slotted dataclass compatible between versions; faster than the default, as
    is its constructor then (quick_init.py)."""
    dataclass_type: Any = cls
    dataclass_fields = fields(dataclass_type)
    setters = [getattr(cls, field.name).__set__ for field in dataclass_fields]
    defaults = [_default(cls, field) for field in dataclass_fields]

    def set_state(self: T, state: Sequence[Any]) -> None:
        for set_value, value in zip(setters, state, strict=False):
            set_value(self, value)
        for number in range(len(state), len(setters)):
            setters[number](self, defaults[number]())

    dataclass_type.__getstate__ = _values([field.name for field in dataclass_fields])
    dataclass_type.__setstate__ = set_state
    return quick_init(cls)


def copied(value: T, **changes: Any) -> T:
    """A copy of a version tolerant value with these fields changed.

    Unlike `dataclasses.replace`, which takes several times as long, it does not call the
    constructor: nothing is checked or derived again.
    """
    copy: Any = object.__new__(type(value))
    copy.__setstate__(value.__getstate__())
    for name, changed in changes.items():
        object.__setattr__(copy, name, changed)
    result: T = copy
    return result


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
