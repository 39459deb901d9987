"""Names, plans and policies together: never a model, a rate, a slot, a budget or money beyond what
the narrowest of tenant, team, key and end user grants, whatever a request calls its model.

Random configurations of names and requests through admission, the resolver, the pipeline with its
fallbacks, and real limiters on one authority; the judge counts by itself what each subject got, of
the model that was really called.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cluster.resilience.failure_class import Unavailable
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Deadline, ManualClock
from cluster.runtime.problems import InvalidRequest, RateLimited, UnknownModel
from cluster.tenants.caller import Caller, Priority
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.policy import CallerPolicies, LimitPolicy, caller_policies
from cluster.tenants.settings import TenantSettings
from cluster.tenants.units import UsageAmounts
from deployments.contracts.cache import NO_DIRECTIVES
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    Message,
    Sampling,
    TokenUsage,
)
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.context import AdmittedRequest, ModelWaitTimer, RequestContext
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.model_names import ModelNames
from deployments.ingress.names.spec import NameSettings, NamesSpec
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.grants import (
    KEYS,
    MODELS,
    RATES,
    TENANT,
    TERMS,
    Granted,
    check_rates,
    check_terms,
    levels,
)

PRICES = {"nano": 1000, "large": 3000, "org/tiny": 500}  # micro-currency for 1,000 tokens
REASONING = 2 * max(PRICES.values())  # of those that were spent on reasoning
ALIASES: dict[str, Any] = {
    "gpt": "large",
    "tiny": "org/tiny",
    "openai/*": "{}",
    "any/*": {"weights": {"nano": 1, "large": 1, "org/tiny": 1}},
    "split": {"weights": {"nano": 1, "gpt": 2}},
    "mine": {"weights": {"large": 1, "tiny": 1}, "sticky": "user"},
    "routed": {
        "rules": [
            {"to": "large", "max_prompt_bytes": 3},
            {"to": "split", "tenants": [TENANT], "min_prompt_bytes": 6},
        ],
        "otherwise": "tiny",
    },
}
NAMES = (*MODELS, *ALIASES, "openai/nano", "openai/unknown", "any/thing", "", "default", "house")
FALLBACKS = {"large": ("nano", "org/tiny"), "nano": ("large",)}


def _terms(optional: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    rates = st.dictionaries(st.sampled_from(MODELS), RATES, min_size=1)
    terms = st.fixed_dictionaries({}, optional=TERMS | optional | {"models_rates": rates})
    return terms.map(_without_rates_of_others)


def _without_rates_of_others(terms: dict[str, Any]) -> dict[str, Any]:
    """Rates of a model that the same terms do not include are refused when they are written."""
    rates = terms.get("models_rates", {})
    kept = {id: each for id, each in rates.items() if may_use(terms, id)}
    return {**terms, "models_rates": kept}


def may_use(terms: dict[str, Any], model: str) -> bool:
    patterns = terms.get("models")
    return patterns is None or any(fnmatchcase(model, each) for each in patterns)


POLICIES = _terms({"spend": st.integers(1, 200).map(lambda amount: {"amount": amount})})
PLANS = _terms({"end_user": RATES})


@dataclass(frozen=True)
class Asked:
    """One request: its call may use `tokens`, and uses `used`, of which some are for reasoning."""

    id: str
    key: str
    end_user: str
    name: str
    prompt: str
    tokens: int
    used: int
    reasons: bool
    is_stream: bool
    stays_open: bool
    down: frozenset[str]
    pause_s: float


ASKED = st.builds(
    lambda part, tokens, **fields: Asked(tokens=tokens, used=int(tokens * part), **fields),
    id=st.uuids().map(str),
    key=st.sampled_from(sorted(KEYS)),
    end_user=st.sampled_from(["", "ana", "ben"]),
    name=st.sampled_from(NAMES),
    prompt=st.sampled_from(["hi", "hello", "hello there"]),
    tokens=st.integers(1, 30),
    part=st.sampled_from([0.0, 0.5, 1.0]),
    reasons=st.booleans(),
    is_stream=st.booleans(),
    stays_open=st.booleans(),
    down=st.sampled_from([frozenset[str](), frozenset({"large"}), frozenset({"large", "nano"})]),
    pause_s=st.sampled_from([0.0, 0.0, 0.05, 0.4]),
)


class GivenEstimates:
    """Says of each request what its call may use: output tokens, as the request says itself."""

    def estimate(self, request: GenerateRequest, plan: Plan) -> UsageAmounts:
        return UsageAmounts(0, request.sampling.max_tokens or 0)

    def learn(self, request: GenerateRequest, output_tokens: int) -> None:
        pass


class NoRecords:
    """Nobody looks at the ledger and the trail."""

    def enqueue(self, record: object) -> None:
        pass

    def record_call(self, *_: object) -> None:
        pass

    def record_cache_hit(self, *_: object) -> None:
        pass


@dataclass
class JudgedModel:
    """A ServedModel, which tells the judge of every call that reaches it."""

    id: str
    world: "World"

    async def generate(self, request: GenerateRequest) -> Completion:
        usage = self.world.call(self.id, request)
        return Completion((Choice(0, "word", "stop"),), usage, self.id)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        usage = self.world.call(self.id, request)
        yield Chunk(0, "word", "stop", usage=usage, tokens=usage.completion_tokens)


class World:
    """The application's parts between a request and a model, and the judge's own count."""

    def __init__(
        self,
        plan: dict[str, Any],
        teams: dict[str, dict[str, Any]],
        keys: dict[str, dict[str, Any]],
        default: str | None,
    ) -> None:
        self.clock = ManualClock()
        prices = {
            id: {"tokens": each, "reasoning_tokens": REASONING} for id, each in PRICES.items()
        }
        fixed = {"id": "p", "reserve": "hard", "model_prices": prices}
        self.plan = Plan.model_validate({**plan, **fixed})
        self.terms = {"tenant": plan} | {f"team:{id}": each for id, each in teams.items()}
        self.terms |= {f"key:{id}": each for id, each in keys.items()}
        self.policies = {key: self._policies_of(key) for key in KEYS}
        self.limiter = TenantLimiter(
            MemoryAuthority(self.clock), "r", self.clock, unused, lambda _: None
        )
        self.admission = AdmissionControl(self.limiter, NoRecords(), self.clock)
        settings = NameSettings(
            NamesSpec.model_validate({"aliases": ALIASES}), {"nano": ("house",)}
        )
        names = ModelNames(settings, MODELS, lambda _: TenantSettings(default_model=default))
        registry = ModelRegistry(
            {id: JudgedModel(id, self) for id in MODELS},  # type: ignore[misc]
            self.clock,
            resilience={id: ResilienceSpec(fallback=each) for id, each in FALLBACKS.items()},
            names=names,
        )
        recorder = UsageRecorder(NoRecords(), GivenEstimates())  # type: ignore[arg-type]
        self.pipeline = ModelPipeline(registry, recorder)
        self.granted: dict[str, Granted] = defaultdict(Granted)
        self.asked: Asked
        self.called: list[str] = []
        self.open = AsyncExitStack()  # requests that stay open

    def _policies_of(self, key: str) -> CallerPolicies | None:
        team = KEYS[key]
        own, shared = (self.terms.get(name) for name in (f"key:{key}", f"team:{team}"))
        return caller_policies(key, _policy(own), team, _policy(shared))

    def subjects(self) -> Iterator[str]:
        """Whose terms bind this request."""
        yield "tenant"
        if KEYS[self.asked.key]:
            yield f"team:{KEYS[self.asked.key]}"
        yield f"key:{self.asked.key}"
        if self.asked.end_user:
            yield f"user:{self.asked.end_user}"

    def call(self, model: str, request: GenerateRequest) -> TokenUsage:
        """A call has reached a model: it must be within what every subject grants."""
        asked = self.asked
        for subject in self.subjects():
            assert may_use(self.terms.get(subject, {}), model), (subject, model)
            self.granted[subject].reserve(model, self.clock.monotonic(), asked.tokens)
        self.check()
        self.called.append(model)
        reasoning = asked.used if asked.reasons else 0
        is_down = model in asked.down
        used = 0 if is_down else asked.used
        spent = used * (REASONING if asked.reasons else PRICES[model])
        for subject in self.subjects():
            self.granted[subject].settle(model, used, spent, requests=int(not is_down))
        if is_down:
            raise Unavailable(f"'{model}' cannot be reached now.")
        return TokenUsage(0, used, reasoning_tokens=reasoning)

    def check(self) -> None:
        for subject, granted in self.granted.items():
            if subject.startswith("user:"):
                check_rates(self.terms["tenant"].get("end_user", {}), granted)
            else:
                check_terms(self.terms.get(subject, {}), granted)

    async def run(self, asked: Asked) -> None:
        self.asked, self.called = asked, []
        self.clock.advance(asked.pause_s)
        if asked.pause_s:
            self.limiter.tick()
        for _ in range(5):
            await asyncio.sleep(0)
        before = await levels(self.limiter)
        begun = self._admitted()
        try:
            admitted = await begun.__aenter__()
        except RateLimited:
            await self._check_nothing_taken(before)
            return
        for subject in self.subjects():
            self.granted[subject].requests.append((self.clock.monotonic(), 1))
            self.granted[subject].open += 1
        self.check()
        await self._generate(admitted)
        self.check()
        if asked.stays_open:
            self.open.push_async_exit(begun)
        else:
            await begun.__aexit__(None, None, None)
            for subject in self.subjects():
                self.granted[subject].open -= 1

    def _admitted(self) -> Any:
        asked = self.asked
        caller = Caller(TENANT, asked.key, frozenset(), "p", end_user=asked.end_user)
        context = RequestContext(
            asked.id,
            caller,
            self.plan,
            Deadline.after(60.0, self.clock),
            0,
            Priority.STANDARD,
            NO_DIRECTIVES,
            ModelWaitTimer(self.clock),
            policies=self.policies[asked.key],
        )
        return self.admission.admitted(context, RequestClass.GENERATE, "chat", model=asked.name)

    async def _generate(self, admitted: AdmittedRequest) -> None:
        asked = self.asked
        request = GenerateRequest(
            asked.id,
            admitted.caller,
            asked.name,
            Sampling(max_tokens=asked.tokens),
            (Message("user", asked.prompt),),
        )
        before, unknown = await levels(self.limiter), ""
        try:
            model = await self._answering_model(request, admitted)
        except (UnknownModel, RateLimited, InvalidRequest) as refused:
            await self._check_nothing_taken(before)
            unknown = refused.detail if isinstance(refused, UnknownModel) else ""
        except Unavailable:
            assert set(self.called) <= asked.down
        else:
            assert model == self.called[-1], "the response names the model that has answered"
        told = ", ".join(self._usable()) or "none"
        assert not unknown or unknown.endswith(f"models: {told}."), "what others may use is told"

    async def _answering_model(self, request: GenerateRequest, admitted: AdmittedRequest) -> str:
        """The model that the response names: the requested one where it names none."""
        if not self.asked.is_stream:
            return (await self.pipeline.generate(request, admitted)).model or request.model
        told = ""
        async for chunk in self.pipeline.stream(request, admitted):
            told = told or chunk.model
        return told or request.model

    def _usable(self) -> list[str]:
        bound = [self.terms.get(each, {}) for each in self.subjects()]
        return [id for id in MODELS if all(may_use(terms, id) for terms in bound)]

    async def _check_nothing_taken(self, before: dict[str, int]) -> None:
        """By what was refused before any model was called."""
        if not self.called:
            after = await levels(self.limiter)
            assert {key: after[key] for key in before} == before


def _policy(terms: dict[str, Any] | None) -> LimitPolicy | None:
    return None if not terms else LimitPolicy.model_validate(terms)


async def unused(*_: object) -> int:
    return 0


@given(
    plan=PLANS,
    teams=st.fixed_dictionaries({"a": POLICIES, "b": POLICIES}),
    keys=st.fixed_dictionaries(dict.fromkeys(sorted(KEYS), POLICIES)),
    default=st.none() | st.sampled_from(["nano", "gpt", "routed", "nothing"]),
    requests=st.lists(ASKED, min_size=5, max_size=30),
)
def test_no_name_leads_beyond_the_narrowest_grant(
    plan: dict[str, Any],
    teams: dict[str, dict[str, Any]],
    keys: dict[str, dict[str, Any]],
    default: str | None,
    requests: list[Asked],
) -> None:
    async def run() -> None:
        world = World(plan, teams, keys, default)
        async with world.open:
            for asked in requests:
                await world.run(asked)

    asyncio.run(run())
