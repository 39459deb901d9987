"""The variables that a template declares, and the values that a use of it gives them.

In: declarations, and JSON values by name. Out: checked values, or InvalidRequest that names the
variable and the limit. Values are data: nothing in them is ever evaluated.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.runtime.problems import InvalidRequest
from cluster.templates.patterns import MatchBudget, PatternTimeout, pattern_fault

MAX_VARIABLES = 50
MAX_LENGTH = 65_536  # characters of a string
DEFAULT_LENGTH = 4_096
MAX_ITEMS = 100  # of a list
MAX_VALUES = 100  # of an enum
MAX_INTEGER = 2**53 - 1  # exact in every JSON parser (RFC 7493)

VariableName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$")]
VariableType = Literal["string", "integer", "number", "boolean", "enum", "list"]
VariableValue = str | int | float | bool | tuple[str, ...]
_SCALARS: Mapping[str, tuple[Any, str]] = {
    "boolean": (bool, "true or false"),
    "integer": (int, "an integer"),
    "number": ((int, float), "a number"),
}


class Variable(BaseModel):
    """One declared variable.

    `max_length` is in characters, of a string or of each string of a list; `pattern` must match
    the whole of it. `values` are those of an enum. A variable without a value takes its `default`;
    without a default it is refused where it is `required`, and is absent otherwise: empty where it
    is inserted, false in a condition.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: VariableType = "string"
    description: Annotated[str, Field(max_length=500)] = ""
    required: bool = True
    default: Any = None
    max_length: Annotated[int, Field(ge=1, le=MAX_LENGTH)] | None = None
    max_items: Annotated[int, Field(ge=1, le=MAX_ITEMS)] | None = None
    pattern: str | None = None
    values: (
        Annotated[
            list[Annotated[str, Field(max_length=DEFAULT_LENGTH)]],
            Field(min_length=1, max_length=MAX_VALUES),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _check_fields_fit_the_type(self) -> Self:
        for name, types in (
            ("max_length", ("string", "list")),
            ("pattern", ("string", "list")),
            ("max_items", ("list",)),
            ("values", ("enum",)),
        ):
            if getattr(self, name) is not None and self.type not in types:
                raise ValueError(f"{name}: goes with the type {' or '.join(types)}")
        if self.type == "enum" and self.values is None:
            raise ValueError("values: an enum lists its values")
        fault = None if self.pattern is None else pattern_fault(self.pattern)
        if fault is not None:
            raise ValueError(f"pattern: {fault}")
        if self.default is not None:
            try:
                self.check(self.default, "default", MatchBudget())
            except InvalidRequest as problem:
                raise ValueError(problem.detail) from None
        return self

    def check(self, value: object, param: str, budget: MatchBudget) -> VariableValue:
        """The value, if it is one of this variable. Raises InvalidRequest naming `param`."""
        match self.type:
            case "string":
                return self._text(value, param, budget)
            case "list":
                return self._texts(value, param, budget)
            case "enum":
                return self._member(value, param)
        types, wanted = _SCALARS[self.type]
        if not isinstance(value, types) or isinstance(value, bool) is not (types is bool):
            raise _wrong_type(param, wanted)
        return _in_range(value, param)

    def _member(self, value: object, param: str) -> str:
        values = self.values or []
        if isinstance(value, str) and value in values:
            return value
        listed = ", ".join(values[:20])[:500]
        raise InvalidRequest(f"{param}: must be one of {listed}.", param=param)

    def _texts(self, value: object, param: str, budget: MatchBudget) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise _wrong_type(param, "a list of strings")
        limit = self.max_items or MAX_ITEMS
        if len(value) > limit:
            raise InvalidRequest(
                f"{param}: has {len(value)} items; the most is {limit}.", param=param, limit=limit
            )
        return tuple(
            self._text(item, f"{param}.{index}", budget) for index, item in enumerate(value)
        )

    def _text(self, value: object, param: str, budget: MatchBudget) -> str:
        if not isinstance(value, str):
            raise _wrong_type(param, "a string")
        limit = self.max_length or DEFAULT_LENGTH
        if len(value) > limit:
            raise InvalidRequest(
                f"{param}: has {len(value)} characters; the most is {limit}.",
                param=param,
                limit=limit,
            )
        if self.pattern is not None:
            try:
                is_match = budget.matches(self.pattern, value, whole=True)
            except PatternTimeout:
                raise InvalidRequest(
                    f"{param}: could not be matched with its pattern in time.", param=param
                ) from None
            if not is_match:
                raise InvalidRequest(
                    f"{param}: does not match the pattern {self.pattern}",
                    param=param,
                    limit=self.pattern,
                )
        return value


def check_values(
    variables: Mapping[str, Variable], given: Mapping[str, object], param: str
) -> dict[str, VariableValue]:
    """The values of the declared variables that have one, defaults included.

    Raises InvalidRequest naming the first variable that is unknown, missing, of another type, or
    over a limit; `param` is where the values were given.
    """
    for name in given:
        if name not in variables:
            known = ", ".join(variables) or "none"
            at = f"{param}.{name[:100]}"
            raise InvalidRequest(f"{at}: no such variable; variables: {known}.", param=at)
    values: dict[str, VariableValue] = {}
    budget = MatchBudget()
    for name, variable in variables.items():
        at, value = f"{param}.{name}", given.get(name)
        if value is None:
            value = variable.default
        if value is not None:
            values[name] = variable.check(value, at, budget)
        elif variable.required:
            raise InvalidRequest(f"{at}: the template needs a value.", param=at)
    return values


def _in_range(value: int | float, param: str) -> int | float:
    is_exact = isinstance(value, float) or abs(value) <= MAX_INTEGER
    if is_exact and math.isfinite(value):
        return value
    raise InvalidRequest(
        f"{param}: must be finite, and an integer at most {MAX_INTEGER} either way.",
        param=param,
        limit=MAX_INTEGER,
    )


def _wrong_type(param: str, wanted: str) -> InvalidRequest:
    return InvalidRequest(f"{param}: must be {wanted}.", param=param)
