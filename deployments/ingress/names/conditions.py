"""Conditions of a routing rule, made ready to be met or not by requests.

In: a rule of the configuration, and what is known of a request. Out: whether it is met.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase
from typing import Protocol

from deployments.ingress.names.spec import Modality, RoutingRule, span_of, zone_of

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)


class RequestFacts(Protocol):
    """What names are resolved by. Each is looked at where a rule or a choice needs it only.

    `now` is Unix seconds. `affinity` is the same for requests that belong together: those of an end
    user, or of a conversation; empty: unknown. `prompt_tokens` may be estimated.
    """

    @property
    def request_id(self) -> str: ...

    @property
    def affinity(self) -> str: ...

    @property
    def tenant(self) -> str: ...

    @property
    def plan(self) -> str: ...

    @property
    def now(self) -> float: ...

    @property
    def prompt_bytes(self) -> int: ...

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def modalities(self) -> frozenset[Modality]: ...


Condition = Callable[[RequestFacts], bool]


def conditions_of(rule: RoutingRule) -> tuple[Condition, ...]:
    """All of them must be met; the cheap ones come first."""
    found: list[Condition] = []
    if rule.tenants is not None:
        found.append(_tenants(rule.tenants))
    if rule.plans is not None:
        found.append(_plans(rule.plans))
    if rule.days is not None or rule.hours is not None:
        found.append(_time(rule))
    if rule.modalities is not None:
        found.append(_modalities(rule.modalities))
    if rule.min_prompt_bytes is not None or rule.max_prompt_bytes is not None:
        found.append(_prompt_bytes(rule.min_prompt_bytes, rule.max_prompt_bytes))
    if rule.min_prompt_tokens is not None or rule.max_prompt_tokens is not None:
        found.append(_prompt_tokens(rule.min_prompt_tokens, rule.max_prompt_tokens))
    return tuple(found)


def _tenants(patterns: Sequence[str]) -> Condition:
    return lambda facts: any(fnmatchcase(facts.tenant, pattern) for pattern in patterns)


def _plans(patterns: Sequence[str]) -> Condition:
    return lambda facts: any(fnmatchcase(facts.plan, pattern) for pattern in patterns)


def _modalities(wanted: Sequence[Modality]) -> Condition:
    some = frozenset(wanted)
    return lambda facts: not some.isdisjoint(facts.modalities)


def _prompt_bytes(least: int | None, most: int | None) -> Condition:
    return lambda facts: _is_within(facts.prompt_bytes, least, most)


def _prompt_tokens(least: int | None, most: int | None) -> Condition:
    return lambda facts: _is_within(facts.prompt_tokens, least, most)


def _is_within(value: int, least: int | None, most: int | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _time(rule: RoutingRule) -> Condition:
    zone = zone_of(rule.zone)
    days = frozenset(_DAYS if rule.days is None else rule.days)
    begin, end = (time(), time()) if rule.hours is None else span_of(rule.hours)
    return lambda facts: _is_open(facts.now, zone, days, begin, end)


def _is_open(now: float, zone: tzinfo, days: frozenset[str], begin: time, end: time) -> bool:
    """Whether it is one of the `days` and in the span, by the clocks of `zone`. A span over
    midnight belongs to the day on which it begins."""
    local = datetime.fromtimestamp(now, zone)
    at = local.time()
    if begin < end:
        return begin <= at < end and _DAYS[local.weekday()] in days
    if at >= begin:
        return _DAYS[local.weekday()] in days
    return at < end and _DAYS[(local - _DAY).weekday()] in days
