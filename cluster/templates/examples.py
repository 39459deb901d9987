"""Examples of a template: values, and what is expected of the text that a model makes of them.

In: an example and an output. Out: the expectations that it does not meet. Patterns and schemas are
of tenants: both are checked for a bounded time (patterns.py) or in bounded steps.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Annotated, Any, Self

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from pydantic import BaseModel, ConfigDict, Field, model_validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from cluster.runtime.json_values import count_levels
from cluster.templates.patterns import MatchBudget, PatternTimeout, pattern_fault

MAX_EXAMPLES = 50  # of a template
MAX_EXPECTED = 20  # texts of one kind
MAX_TEXT = 16_384
MAX_SCHEMA_BYTES, MAX_SCHEMA_LEVELS = 16_384, 32
_UNBOUNDED = ("patternProperties", "unevaluatedProperties", "unevaluatedItems")
MAX_CHECKS = 5_000  # keywords of a schema, evaluated on one output

Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MAX_EXPECTED)]


class _ExamplePart(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Expectations(_ExamplePart):
    """What an output has to be; every one that is given counts. `matches` is a regular expression
    that some part of it matches, `max_tokens` the most tokens that it may have.
    """

    equals: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    contains: Texts | None = None
    not_contains: Texts | None = None
    matches: str | None = None
    json_schema: dict[str, Any] | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(f"give at least one of: {', '.join(type(self).model_fields)}")
        fault = None if self.matches is None else pattern_fault(self.matches)
        if fault is not None:
            raise ValueError(f"matches: {fault}")
        if self.json_schema is not None:
            fault = _schema_fault(self.json_schema)
            if fault is not None:
                raise ValueError(f"json_schema: {fault}")
        return self


class TemplateExample(_ExamplePart):
    """`variables` for the template; `input` is a message of the user that follows it in a chat."""

    name: Annotated[str, Field(max_length=200)] = ""
    variables: dict[str, Any] = {}
    input: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    expect: Expectations


def digest_of(examples: Sequence[TemplateExample]) -> str:
    """Names a list of examples, so that it is seen when it has changed."""
    dumped = [example.model_dump(mode="json") for example in examples]
    return hashlib.sha256(orjson.dumps(dumped, option=orjson.OPT_SORT_KEYS)).hexdigest()


def failures(expect: Expectations, output: str, tokens: int) -> list[dict[str, str]]:
    """The `expectation` and `detail` of each one that is not met; `tokens` are those generated.

    Takes up to half a second for a hostile schema: call it in a thread.
    """
    return [
        {"expectation": name, "detail": detail}
        for name, detail in _failures(expect, output, tokens)
    ]


def _failures(expect: Expectations, output: str, tokens: int) -> Iterator[tuple[str, str]]:
    if expect.equals is not None and output != expect.equals:
        yield "equals", "the output is another text"
    yield from (
        ("contains", f"'{text[:100]}' is missing")
        for text in expect.contains or ()
        if text not in output
    )
    yield from (
        ("not_contains", f"'{text[:100]}' is there")
        for text in expect.not_contains or ()
        if text in output
    )
    if expect.matches is not None and (fault := _pattern_fault(expect.matches, output)):
        yield "matches", fault
    if expect.json_schema is not None and (fault := _json_fault(expect.json_schema, output)):
        yield "json_schema", fault
    if expect.max_tokens is not None and tokens > expect.max_tokens:
        yield "max_tokens", f"the output has {tokens} tokens; the most is {expect.max_tokens}"


def _pattern_fault(pattern: str, output: str) -> str | None:
    try:
        is_match = MatchBudget().matches(pattern, output, whole=False)
    except PatternTimeout:
        return "could not be matched in time"
    return None if is_match else "no part matches the pattern"


class _TooManyChecks(Exception):
    pass


class _CheckBudget:
    """Counts evaluated keywords of one validation."""

    def __init__(self) -> None:
        self.left = MAX_CHECKS
        self.matching = MatchBudget()

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _TooManyChecks


Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


def _bounded(
    budget: _CheckBudget, keyword: Keyword, validator: Any, value: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    budget.spend()
    for error in keyword(validator, value, instance, schema) or ():
        budget.spend()
        yield error


def _pattern(
    budget: _CheckBudget, validator: Any, pattern: str, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not budget.matching.matches(pattern, instance, whole=False):
        yield ValidationError("does not match its pattern")


def _unique_items(
    validator: Any, is_unique: bool, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """In linear time, unlike the package's own."""
    if not is_unique or not isinstance(instance, list):
        return
    if len({orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in instance}) < len(instance):
        yield ValidationError("has an item twice")


def _json_fault(schema: Mapping[str, Any], output: str) -> str | None:
    """Why the output is not JSON of the schema. Follows no reference out of the schema."""
    try:
        value = orjson.loads(output)
    except orjson.JSONDecodeError:
        return "the output is not JSON"
    budget = _CheckBudget()
    keywords: dict[str, Keyword] = dict(Draft202012Validator.VALIDATORS)
    keywords |= {"pattern": partial(_pattern, budget), "uniqueItems": _unique_items}
    bounded = {name: partial(_bounded, budget, keyword) for name, keyword in keywords.items()}
    validator = extend(Draft202012Validator, bounded)(schema, registry=Registry())
    try:
        error = next(islice(validator.iter_errors(value), 1), None)
    except (_TooManyChecks, PatternTimeout, RecursionError):
        return "the output could not be checked in time"
    except Unresolvable:
        return "the schema refers to another one"
    if error is None:
        return None
    return f"{error.json_path[:100]}: {error.message[:200]}"


def _schema_fault(schema: dict[str, Any]) -> str | None:
    if count_levels(schema, MAX_SCHEMA_LEVELS) > MAX_SCHEMA_LEVELS:
        return f"is nested deeper than {MAX_SCHEMA_LEVELS} levels"
    if len(orjson.dumps(schema)) > MAX_SCHEMA_BYTES:
        return f"is over {MAX_SCHEMA_BYTES} bytes"
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"is no JSON Schema: {error.message[:200]}"
    return _keyword_fault(schema)


def _keyword_fault(schema: Any) -> str | None:
    """Every keyword, wherever it is, has to be one that is evaluated in bounded time."""
    if isinstance(schema, list):
        return next(filter(None, map(_keyword_fault, schema)), None)
    if not isinstance(schema, dict):
        return None
    for name in _UNBOUNDED:
        if name in schema:
            return f"{name} is not supported"
    pattern = schema.get("pattern")
    fault = pattern_fault(pattern) if isinstance(pattern, str) else None
    return fault or next(filter(None, map(_keyword_fault, schema.values())), None)
