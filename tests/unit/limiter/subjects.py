"""Policies of keys and teams for tests of the limiter."""

from cluster.tenants.policy import CallerPolicies, LimitPolicy, SubjectPolicy

KEY, TEAM = "key:k1", "team:ml"


def policy(**fields: object) -> LimitPolicy:
    return LimitPolicy.model_validate(fields)


def policies(**by_kind: LimitPolicy) -> CallerPolicies:
    """`team` and `key`, in this order, as the directory makes them."""
    names = {"team": TEAM, "key": KEY}
    return CallerPolicies(
        tuple(SubjectPolicy(names[kind], by_kind[kind]) for kind in names if kind in by_kind)
    )
