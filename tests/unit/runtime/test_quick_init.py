"""A quick constructor does what the standard one does."""

import inspect
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from cluster.runtime.quick_init import quick_init


@dataclass(frozen=True, slots=True)
class Standard:
    """A value with every kind of parameter."""

    name: str
    count: int = 3
    names: list[str] = field(default_factory=list)
    limit: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.count < 0:
            object.__setattr__(self, "count", 0)


@quick_init
@dataclass(frozen=True, slots=True)
class Quick:
    """The same."""

    name: str
    count: int = 3
    names: list[str] = field(default_factory=list)
    limit: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.count < 0:
            object.__setattr__(self, "count", 0)


CALLS: dict[str, Callable[[Any], Any]] = {
    "defaults": lambda kind: kind("a"),
    "positions": lambda kind: kind("a", 4, ["b"]),
    "names": lambda kind: kind(names=["b"], name="a", count=1, limit=2.0),
    "changed afterwards": lambda kind: kind("a", -5),
    "replaced": lambda kind: replace(kind("a", 4, limit=1.0), count=-1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_values_are_equal_to_those_of_the_standard_constructor(call: Callable[[Any], Any]) -> None:
    standard, quick = call(Standard), call(Quick)

    assert repr(quick).replace("Quick", "Standard") == repr(standard)
    assert quick == call(Quick)


def test_parameters_stay_as_they_are() -> None:
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Standard).parameters)
    assert Quick.__init__.__annotations__ == Standard.__init__.__annotations__


def test_each_value_has_what_its_factory_makes() -> None:
    assert Quick("a").names is not Quick("a").names


@pytest.mark.parametrize("arguments", [{}, {"name": "a", "other": 1}])
def test_wrong_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="__init__"):
        Quick(**arguments)


def test_fields_cannot_be_set_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        Quick("a").name = "b"  # type: ignore[misc]


def test_a_class_without_slots_is_refused() -> None:
    @dataclass(frozen=True)
    class Loose:
        name: str

    with pytest.raises(TypeError, match="no slot"):
        quick_init(Loose)
