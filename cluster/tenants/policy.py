"""Policies: what a key, or a team of keys, may use within its tenant's plan.

In: JSON from the admin API or the database. Out: a frozen LimitPolicy, or pydantic's
ValidationError with the location of the invalid field; and the policies that apply to one caller. A
policy may be wider than the plan: a request must fit the plan and every policy, so the narrowest
limit binds.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from cluster.tenants.plan import LimitTerms, PlanModel, Rates

MAX_SPEND = 10**12  # micro-currency; in nano-currency a number that Redis's scripts hold exactly
MAX_MODELS = 256
Pattern = Annotated[str, Field(max_length=200)]


class Spend(PlanModel):
    """`amount` micro-currency, as the plan's prices charge it, in each `period` (UTC days and
    months; total: ever, after which the key has expired by spend)."""

    amount: Annotated[int, Field(ge=1, le=MAX_SPEND)]
    period: Literal["total", "day", "month"] = "total"


class LimitPolicy(LimitTerms):
    """What a key or a team may use; what is left out is not limited here."""

    models_rates: Annotated[dict[str, Rates], Field(max_length=MAX_MODELS)] = {}
    models: Annotated[tuple[Pattern, ...], Field(max_length=MAX_MODELS)] | None = None
    spend: Spend | None = None


NO_LIMITS = LimitPolicy()
_ALLOWS_NOTHING = LimitPolicy(models=("",))  # no model has an empty name


def policy_text(policy: LimitPolicy | None) -> str | None:
    """The stored form; None for a policy that limits nothing."""
    if policy is None or policy == NO_LIMITS:
        return None
    return policy.model_dump_json(exclude_defaults=True)


def parse_policy(text: str | None) -> LimitPolicy | None:
    """A policy from its stored form. One that this version cannot read allows no model."""
    if text is None:
        return None
    try:
        return LimitPolicy.model_validate_json(text)
    except ValidationError:
        return _ALLOWS_NOTHING


@dataclass(frozen=True, slots=True, eq=False)
class SubjectPolicy:
    """The policy of one subject: `key:<account>` or `team:<id>`. Keys that follow each other by
    rotation, and those that a limited key has made, share an account."""

    subject: str
    policy: LimitPolicy


@dataclass(frozen=True, slots=True, eq=False)
class CallerPolicies:
    """The policies that apply to one key beside its tenant's plan: its team's, then its own."""

    subjects: tuple[SubjectPolicy, ...]
    has_spend: bool = field(init=False)

    def __post_init__(self) -> None:
        has_spend = any(each.policy.spend is not None for each in self.subjects)
        object.__setattr__(self, "has_spend", has_spend)

    def allows_model(self, model: str) -> bool:
        return all(each.policy.allows_model(model) for each in self.subjects)


def caller_policies(
    account: str, policy: LimitPolicy | None, team: str, team_policy: LimitPolicy | None
) -> CallerPolicies | None:
    """The policies of a key; None without any."""
    subjects = []
    if team_policy is not None:
        subjects.append(SubjectPolicy(f"team:{team}", team_policy))
    if policy is not None:
        subjects.append(SubjectPolicy(f"key:{account}", policy))
    return CallerPolicies(tuple(subjects)) if subjects else None
