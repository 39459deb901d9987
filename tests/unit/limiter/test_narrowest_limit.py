"""The promise of policies: never a model, a rate, a slot, a budget or money beyond what the
narrowest of tenant, team, key and end user grants, and nothing is taken by what was refused.

Random plans, policies and requests through real limiters on one authority, with a fake clock; an
independent count of what was granted to each subject is the judge.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest, RateLimited
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.policy import CallerPolicies, LimitPolicy, SubjectPolicy
from cluster.tenants.units import UsageAmounts
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.permit import LimiterPermit
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.grants import (
    KEYS,
    MODELS,
    POLICIES,
    RATES,
    TERMS,
    Granted,
    check_rates,
    check_terms,
    levels,
)

GENERATE = RequestClass.GENERATE
PRICE = 1000  # micro-currency for 1,000 tokens
PLANS = st.fixed_dictionaries(
    {"id": st.just("p"), "prices": st.just({"tokens": PRICE}), "reserve": st.just("hard")},
    optional=TERMS | {"end_user": RATES},
)


@dataclass(frozen=True)
class Request:
    """One request to one of the replicas: reserves `tokens` and uses `used` of them."""

    replica: int
    key: str
    end_user: str
    model: str
    tokens: int
    used: int
    stays_open: bool
    pause_s: float


REQUESTS = st.builds(
    lambda replica, key, user, model, tokens, part, stays, pause: Request(
        replica, key, user, model, tokens, int(tokens * part), stays, pause
    ),
    st.integers(0, 1),
    st.sampled_from(sorted(KEYS)),
    st.sampled_from(["", "ana", "ben"]),
    st.sampled_from(MODELS),
    st.integers(1, 30),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.booleans(),
    st.sampled_from([0.0, 0.0, 0.05, 0.4]),
)


class World:
    """Two replicas, their permits, and the judge's own count."""

    def __init__(
        self,
        plan: dict[str, Any],
        teams: dict[str, dict[str, Any]],
        keys: dict[str, dict[str, Any]],
        replicas: int,
    ) -> None:
        self.clock = ManualClock()
        self.terms = {"tenant": plan} | {f"team:{id}": each for id, each in teams.items()}
        self.terms |= {f"key:{id}": each for id, each in keys.items()}
        self.plan = Plan.model_validate(plan)
        self.policies = {key: self._policies_of(key) for key in KEYS}
        authority = MemoryAuthority(self.clock)
        self.limiters = [
            TenantLimiter(authority, f"r{n}", self.clock, unused, lambda _: None)
            for n in range(replicas)
        ]
        self.granted: dict[str, Granted] = defaultdict(Granted)
        self.refused = 0

    def _policies_of(self, key: str) -> CallerPolicies | None:
        names = [f"team:{KEYS[key]}", f"key:{key}"]
        found = [
            SubjectPolicy(name, LimitPolicy.model_validate(self.terms[name]))
            for name in names
            if self.terms.get(name)
        ]
        return CallerPolicies(tuple(found)) if found else None

    def subjects(self, request: Request) -> Iterator[str]:
        yield "tenant"
        if KEYS[request.key]:
            yield f"team:{KEYS[request.key]}"
        yield f"key:{request.key}"

    def may_have(self, request: Request) -> bool:
        policies = self.policies[request.key]
        allowed = self.plan.allows_model(request.model) and (
            policies is None or policies.allows_model(request.model)
        )
        lists = [self.terms.get(each, {}).get("models") for each in self.subjects(request)]
        judged = all(
            patterns is None or any(fnmatchcase(request.model, each) for each in patterns)
            for patterns in lists
        )
        assert allowed == judged
        return allowed

    async def run(self, request: Request) -> None:
        self.clock.advance(request.pause_s)
        limiter = self.limiters[request.replica % len(self.limiters)]
        if request.pause_s:
            for each in self.limiters:
                each.tick()
        for _ in range(5):
            await asyncio.sleep(0)
        if not self.may_have(request):
            return
        permit = await self._admit(limiter, request)
        if permit is None:
            return
        self._note_admitted(request)
        await self._call(limiter, permit, request)
        if not request.stays_open:
            permit.close()
            for subject in self._counted(request):
                self.granted[subject].open -= 1
        self.check()

    async def _admit(self, limiter: TenantLimiter, request: Request) -> LimiterPermit | None:
        before = await levels(limiter)
        try:
            return await limiter.admit(
                "acme", self.plan, GENERATE, self.policies[request.key], request.end_user
            )
        except RateLimited:
            await self._check_nothing_taken(limiter, before)
            return None

    async def _call(self, limiter: TenantLimiter, permit: LimiterPermit, request: Request) -> None:
        before = await levels(limiter)
        try:
            reservation = await permit.reserve(
                request.model, UsageAmounts(request.tokens, 0), lasting=True
            )
        except (RateLimited, InvalidRequest):
            await self._check_nothing_taken(limiter, before)
            return
        now = self.clock.monotonic()
        for subject in self._counted(request):
            self.granted[subject].reserve(request.model, now, request.tokens)
        self.check()
        reservation.settle(UsageAmounts(request.used, 0))
        for subject in self._counted(request):
            self.granted[subject].settle(request.model, request.used, request.used * PRICE)

    async def _check_nothing_taken(self, limiter: TenantLimiter, before: dict[str, int]) -> None:
        self.refused += 1
        after = await levels(limiter)
        if len(self.limiters) == 1:
            assert {key: after[key] for key in before} == before

    def _counted(self, request: Request) -> Iterator[str]:
        yield from self.subjects(request)
        if request.end_user:
            yield f"user:{request.end_user}"

    def _note_admitted(self, request: Request) -> None:
        for subject in self._counted(request):
            self.granted[subject].requests.append((self.clock.monotonic(), 1))
            self.granted[subject].open += 1

    def check(self) -> None:
        for subject, granted in self.granted.items():
            if subject.startswith("user:"):
                check_rates(self.terms["tenant"].get("end_user", {}), granted)
            else:
                check_terms(self.terms.get(subject, {}), granted)


async def unused(*_: object) -> int:
    return 0


@given(
    plan=PLANS,
    teams=st.fixed_dictionaries({"a": POLICIES, "b": POLICIES}),
    keys=st.fixed_dictionaries(dict.fromkeys(sorted(KEYS), POLICIES)),
    replicas=st.integers(1, 2),
    requests=st.lists(REQUESTS, min_size=5, max_size=40),
)
def test_nobody_gets_more_than_the_narrowest_limit_grants(
    plan: dict[str, Any],
    teams: dict[str, dict[str, Any]],
    keys: dict[str, dict[str, Any]],
    replicas: int,
    requests: list[Request],
) -> None:
    async def run() -> None:
        world = World(plan, teams, keys, replicas)
        for request in requests:
            await world.run(request)

    asyncio.run(run())
