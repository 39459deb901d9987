"""Prices and costs as operators state them: by unit, and by model or by who serves it.

Flows in: JSON from the admin API, the database or the configuration. Flows out: validated
micro-currency for 1,000 of a unit, and which list of a plan applies to a model.

The keys of lists by model are patterns over model ids such as `gpt-4o` or `openai/*`, or over the
names of providers after `provider:`, such as `provider:openai`. The most specific one applies, and
alone: a pattern over ids before one over providers, one without wildcards before one with them, one
with more characters that are no wildcards before one with fewer, then the first by alphabet.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, Field

from cluster.tenants.units import Unit

PROVIDER = "provider:"  # what patterns over names of providers begin with
LOCAL = "local"  # the provider of models that this cluster runs itself
_WILDCARDS = "*?["


def _check_unit(unit: Unit) -> Unit:
    if unit is Unit.ESTIMATED_TOKENS:
        raise ValueError("estimated_tokens are marked input and output tokens; price those")
    if unit is Unit.SPEND:
        raise ValueError("spend is no unit of work")
    return unit


PriceList = dict[
    Annotated[Unit, AfterValidator(_check_unit)], Annotated[int, Field(ge=0, le=10**9)]
]
ModelPattern = Annotated[str, Field(min_length=1, max_length=200)]
ModelPriceLists = Annotated[dict[ModelPattern, PriceList], Field(max_length=1_000)]


def most_specific(patterns: Iterable[str], model: str, provider: str) -> str | None:
    """The pattern that applies to a model of this provider; None if there is none."""
    matching = [each for each in patterns if _matches(each, model, provider)]
    return min(matching, key=_rank, default=None)


def _matches(pattern: str, model: str, provider: str) -> bool:
    if pattern.startswith(PROVIDER):
        return fnmatchcase(provider, pattern.removeprefix(PROVIDER))
    return fnmatchcase(model, pattern)


def _rank(pattern: str) -> tuple[bool, bool, int, str]:
    is_wild = any(each in pattern for each in _WILDCARDS)
    literal = sum(each not in _WILDCARDS for each in pattern)
    return pattern.startswith(PROVIDER), is_wild, -literal, pattern
