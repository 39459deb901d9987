"""The base of all problems, and how they cross processes.

A problem raised in a Ray replica reaches the caller as a subclass of its class and RayTaskError,
whose `str` is a remote traceback: bodies are built from `slug`, `title` and `detail`, never from
`str(exc)`. `__reduce__` preserves the type through pickling for any constructor; a type that the
receiver's version does not know becomes its nearest known base. Pickles name this package and none
of its modules, which replicas of another version may not have.
"""

import math
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any, ClassVar

_PACKAGE = __name__.rpartition(".")[0]


class Problem(Exception):
    """A failure that is reported to the caller; `detail` is written for the caller."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    detail: str
    extensions: Mapping[str, Any]

    def __init__(self, detail: str, **extensions: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extensions = extensions

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, problem_parts(self))

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers of this problem."""
        retry_after = self.extensions.get("retry_after_s")
        return {} if retry_after is None else {"Retry-After": str(max(1, math.ceil(retry_after)))}

    @property
    def param(self) -> str | None:
        """The invalid request field, dotted (`messages.0.content`), or None."""
        return self.extensions.get("param")


def problem_parts(
    problem: Problem,
) -> tuple[tuple[tuple[str, str], ...], tuple[Any, ...], dict[str, Any]]:
    """What `rebuild_problem` needs: the names of its class and bases, its arguments and state."""
    return _names(_problem_class(type(problem))), problem.args, dict(problem.__dict__)


def rebuild_problem(
    names: tuple[tuple[str, str], ...], args: tuple[Any, ...], state: Mapping[str, Any]
) -> Problem:
    """The problem of these parts, of the nearest class that this version knows."""
    return _rebuild(names, args, state)


def _problem_class(cls: type) -> type:
    """The Problem class behind Ray's dual class `RayTaskError(X)`, which is a new one each time."""
    return next(base for base in cls.__mro__ if base.__module__ != "ray.exceptions")


@cache
def _names(cls: type) -> tuple[tuple[str, str], ...]:
    """Module and name of the class and of its bases, up to Problem."""
    bases = [base for base in cls.__mro__ if issubclass(base, Problem)]
    return tuple([(_module(base), base.__qualname__) for base in bases])


def _module(cls: type) -> str:
    return _PACKAGE if cls.__module__.startswith(f"{_PACKAGE}.") else cls.__module__


@cache
def _nearest(names: tuple[tuple[str, str], ...]) -> type[Problem]:
    for module, name in names:
        try:
            candidate = attrgetter(name)(import_module(module))
        except (ImportError, AttributeError):
            continue
        if isinstance(candidate, type) and issubclass(candidate, Problem):
            return candidate
    return Problem


def _rebuild(
    names: tuple[tuple[str, str], ...], args: tuple[Any, ...], state: Mapping[str, Any]
) -> Problem:
    cls = _nearest(names)
    problem = cls.__new__(cls, *args)
    problem.args = args
    problem.__dict__.update(state)
    return problem


_rebuild.__module__ = _PACKAGE


def to_problem(error: BaseException) -> Problem:
    """The problem for any exception; unknown ones get a constant text."""
    if isinstance(error, Problem):
        return error
    return Problem("Something went wrong on our side; the request id finds it in the log.")
