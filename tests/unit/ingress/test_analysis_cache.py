"""Results of text analysis that are known already: whose they are, and when they count."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from cluster.invalidation.generations import Generations
from cluster.runtime.clock import Deadline, SystemClock
from cluster.runtime.problems import ModelFailed, NotCached
from cluster.tenants.caller import Caller, Priority
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.cache.metrics import CacheMetrics
from deployments.cache.policy import EntryPolicy, Freshness
from deployments.cache.tiers.memory import MemoryTier
from deployments.contracts.cache import NO_DIRECTIVES, Directives
from deployments.contracts.text_analysis import (
    AnalyzeRequest,
    OperationResult,
    OperationResults,
    TextAnalysis,
    unsupported,
)
from deployments.ingress.context import AdmittedRequest, ModelWaitTimer
from deployments.ingress.pipeline.analysis_cache import AnalysisCache
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline, AnalysisQuery
from tests.api.fakes import Records

CLOCK = SystemClock()
QUERY = AnalysisQuery(("one", "two"), ("statistics", "hashtags"))


class Current:
    """No invalidation was ever written."""

    current_until = float("inf")
    generations = Generations()


class Analyzer:
    """Says what it was asked; fails if it has an error."""

    def __init__(self) -> None:
        self.requests: list[AnalyzeRequest] = []
        self.error: Exception | None = None
        self.install = ""

    async def analyze(self, request: AnalyzeRequest) -> TextAnalysis:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return TextAnalysis(
            tuple(
                OperationResults(name, tuple(self._result(name, text) for text in request.texts))
                for name in request.operations
            )
        )

    def _result(self, name: str, text: str) -> OperationResult:
        if self.install:
            return unsupported(f"{name}@1", "Not here.", self.install)
        return OperationResult(f"{name}@1", [name, text])


class Checker:
    """Lets every text through."""

    async def checked(self, texts: tuple[str, ...], admitted: AdmittedRequest) -> tuple[str, ...]:
        return texts


@dataclass
class Permit:
    """Keeps what was reserved and settled."""

    settled: list[tuple[UsageAmounts, int]] = field(default_factory=list)

    async def reserve(self, model: str, amounts: UsageAmounts) -> "Permit":
        return self

    def settle(self, actual: UsageAmounts, *, requests: int = 1) -> None:
        self.settled.append((actual, requests))


@dataclass
class Path:
    """The request path over a cache and an analyzer."""

    analyzer: Analyzer = field(default_factory=Analyzer)
    records: Records = field(default_factory=Records)
    permit: Permit = field(default_factory=Permit)
    memory: MemoryTier = field(default_factory=lambda: MemoryTier(1 << 20, CLOCK))

    def __post_init__(self) -> None:
        policy = EntryPolicy(self.memory, Freshness(60, 120, 120), Current(), CLOCK, Random(1))
        self.metrics = CacheMetrics()
        cache = AnalysisCache(
            self.memory, policy, self.metrics, lambda tenant: tenant.encode() * 16, CLOCK
        )
        checker: Any = Checker()
        self.pipeline = AnalysisPipeline(self.analyzer, checker, self.records, cache)

    async def ask(
        self,
        query: AnalysisQuery = QUERY,
        tenant: str = "acme",
        directives: Directives = NO_DIRECTIVES,
    ) -> tuple[dict[str, Any], AdmittedRequest]:
        admitted = self.admitted(tenant, directives)
        return await self.pipeline.analyze(query, admitted), admitted

    def admitted(self, tenant: str, directives: Directives) -> AdmittedRequest:
        permit: Any = self.permit
        caller = Caller(tenant, "key", frozenset())
        return AdmittedRequest(
            *("req", caller, Plan(id="default"), Deadline(CLOCK.monotonic() + 30, CLOCK), 0),
            *(Priority.STANDARD, directives, ModelWaitTimer(CLOCK)),
            permit=permit,
        )


@pytest.fixture
def path() -> Path:
    return Path()


async def test_what_is_known_needs_no_analysis_and_no_characters(path: Path) -> None:
    first, _ = await path.ask()
    second, admitted = await path.ask()

    assert first == second
    assert second["hashtags"][1]["value"] == ["hashtags", "two"]
    assert len(path.analyzer.requests) == 1
    assert path.records.usage == [("acme", "text", UsageAmounts(characters=6))]
    assert path.records.kept == [("acme", "text")]
    assert [outcome.forwarded for outcome in admitted.outcomes] == [None]


async def test_only_what_is_missing_is_asked_for(path: Path) -> None:
    await path.ask()
    results, _ = await path.ask(
        AnalysisQuery(("two", "three!", "one"), ("hashtags", "statistics", "pii"))
    )
    assert path.analyzer.requests[1].operations == ("hashtags", "statistics", "pii")
    more, _ = await path.ask(AnalysisQuery(("two", "three!", "four"), ("hashtags",)))

    assert list(results) == ["hashtags", "statistics", "pii"]
    assert [each["value"][1] for each in results["statistics"]] == ["two", "three!", "one"]
    assert path.analyzer.requests[2].texts == ("four",)
    assert [each["value"][1] for each in more["hashtags"]] == ["two", "three!", "four"]
    assert path.permit.settled[-1] == (UsageAmounts(characters=4), 1)


@pytest.mark.parametrize(
    ("query", "tenant"),
    [
        (QUERY, "other"),
        (replace(QUERY, language="de"), "acme"),
        (replace(QUERY, options={"hashtags": {"x": 1}, "statistics": {}}), "acme"),
    ],
    ids=["tenant", "language", "options"],
)
async def test_tenants_languages_and_options_are_apart(
    path: Path, query: AnalysisQuery, tenant: str
) -> None:
    await path.ask()
    await path.ask(query, tenant)

    assert len(path.analyzer.requests) == 2


async def test_directives_are_heeded(path: Path) -> None:
    with pytest.raises(NotCached):
        await path.ask(directives=Directives(only_if_cached=True))
    await path.ask(directives=Directives(no_store=True))
    await path.ask()
    await path.ask(directives=Directives(only_if_cached=True))
    await path.ask(directives=Directives(no_cache=True))
    await path.ask(directives=Directives(max_age_s=0))

    assert len(path.analyzer.requests) == 4
    assert path.metrics["acme"].bypassed == 1


async def test_what_an_installation_would_change_is_not_kept(path: Path) -> None:
    path.analyzer.install = "Install it."
    await path.ask()
    path.analyzer.install = ""
    found, _ = await path.ask()

    assert found["hashtags"][0]["supported"]


async def test_analysis_that_fails_costs_nothing(path: Path) -> None:
    path.analyzer.error = ModelFailed("text")
    with pytest.raises(ModelFailed):
        await path.ask()

    assert path.permit.settled == [(UsageAmounts(), 0)]
    assert path.records.usage == []


async def test_groups_are_sent_apart_and_charged_once(path: Path) -> None:
    groups = [["statistics"], ["hashtags"]]
    stream = path.pipeline.stream(QUERY, path.admitted("acme", NO_DIRECTIVES), groups)

    assert {operation async for operation, _ in stream} == {"statistics", "hashtags"}
    assert [request.operations for request in path.analyzer.requests] == [
        ("statistics",),
        ("hashtags",),
    ]
    assert path.records.usage == [("acme", "text", UsageAmounts(characters=6))]
