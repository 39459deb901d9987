"""An independent judge of limits: what was granted to each subject, and what its terms allow.

In: terms as the admin API takes them, and what happened. Out: AssertionError where a subject got
more than its own terms grant.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from deployments.limiter.tenant_limiter import TenantLimiter

TENANT = "acme"
MODELS = ("nano", "large", "org/tiny")
KEYS = {"k1": "a", "k2": "a", "k3": "b", "k4": ""}  # and the team that each is in
SMALL = st.integers(1, 40)


def rate(limits: st.SearchStrategy[int]) -> st.SearchStrategy[dict[str, Any]]:
    return limits.map(lambda limit: {"limit": limit, "per": "second", "burst": limit})


RATES = st.fixed_dictionaries(
    {}, optional={"requests": rate(st.integers(1, 6)), "tokens": rate(SMALL)}
)
TERMS = {
    "rates": RATES.map(lambda rates: {"generate": rates}),
    "concurrency": st.integers(1, 4).map(lambda limit: {"limit": limit}),
    "budgets": st.integers(40, 90).map(lambda tokens: {"tokens": {"day": tokens}}),
    "models": st.sampled_from([["nano"], ["org/*"], ["nano", "org/*"], ["*"]]),
}
POLICIES = st.fixed_dictionaries(
    {}, optional=TERMS | {"spend": st.integers(1, 90).map(lambda amount: {"amount": amount})}
)


@dataclass
class Granted:
    """What one subject was granted so far: (seconds, amount) of each, and requests open now.

    `calls` and `tokens` are those of each model; `spent` is nano-currency.
    """

    requests: list[tuple[float, int]] = field(default_factory=list)
    reserved: list[tuple[float, int]] = field(default_factory=list)
    calls: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    tokens: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    used: int = 0
    spent: int = 0
    open: int = 0

    def reserve(self, model: str, now: float, tokens: int) -> None:
        """A call of a model has begun; it may use so many tokens."""
        self.reserved.append((now, tokens))
        self.calls[model].append((now, 1))
        self.tokens[model].append((now, tokens))

    def settle(self, model: str, used: int, spent: int, requests: int = 1) -> None:
        """The last call has ended."""
        now, _ = self.reserved[-1]
        self.reserved[-1] = self.tokens[model][-1] = (now, used)
        self.calls[model][-1] = (now, requests)
        self.used += used
        self.spent += spent


def check_terms(terms: dict[str, Any], granted: Granted) -> None:
    check_rates(terms.get("rates", {}).get("generate", {}), granted)
    for model, rates in terms.get("models_rates", {}).items():
        if "requests" in rates:
            check_rate(rates["requests"], granted.calls[model])
        if "tokens" in rates:
            check_rate(rates["tokens"], granted.tokens[model])
    if "concurrency" in terms:
        assert granted.open <= terms["concurrency"]["limit"]
    if "budgets" in terms:
        assert granted.used <= terms["budgets"]["tokens"]["day"]
    if "spend" in terms:
        assert granted.spent <= terms["spend"]["amount"] * 1000


def check_rates(rates: dict[str, Any], granted: Granted) -> None:
    if "requests" in rates:
        check_rate(rates["requests"], granted.requests)
    if "tokens" in rates:
        check_rate(rates["tokens"], granted.reserved)


def check_rate(spec: dict[str, Any], granted: list[tuple[float, int]]) -> None:
    """GCRA's bound: in every interval at most the burst, and what has refilled in it."""
    for index, (since, _) in enumerate(granted):
        total = 0
        for at, amount in granted[index:]:
            total += amount
            assert total <= spec["burst"] + spec["limit"] * (at - since) + 1e-6, spec


async def levels(limiter: TenantLimiter) -> dict[str, int]:
    """What is left in each bucket that this replica knows, once it has reported all that it did."""
    limits = limiter._tenants.get(TENANT)
    if limits is None:
        return {}
    buckets = [each for each in limits.buckets.values() if each.acked]
    await limiter._leases.refresh(limits, buckets)
    now = limiter.clock.monotonic()
    return {each.limit.spec.key: each.remaining_global(now) for each in buckets}
