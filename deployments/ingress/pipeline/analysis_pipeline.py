"""The request path of text analysis: guardrails -> cache -> reserve -> Text -> settle and record.

Flows in: texts and operations of an admitted request. Flows out: a result for each operation and
text, as soon as the operations that were sent together have answered.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from cluster.runtime.problems import NotCached, NotInstalled
from cluster.tenants.units import UsageAmounts
from cluster.tracing.genai_names import ANALYZE
from deployments.contracts.cache import CacheOutcome
from deployments.contracts.text_analysis import TEXT, AnalyzeRequest, TextAnalysis, TextAnalyzer
from deployments.ingress.context import RESERVE, AdmittedRequest
from deployments.ingress.pipeline.analysis_cache import AnalysisCache, AnalysisKeys, Result
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.metering import Meter
from deployments.text.analysis import find_operations

NOT_SERVED = "This cluster analyses no texts."
INSTALL = "Set `text.enabled` in serve_config.yaml, and deploy."


@dataclass(frozen=True, slots=True)
class AnalysisQuery:
    """What one request asks for. `options` are by operation."""

    texts: tuple[str, ...]
    operations: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""


class AnalysisPipeline:
    """`checker` applies guardrails to texts; without an `analyzer` nothing is analysed."""

    def __init__(
        self,
        analyzer: TextAnalyzer | None,
        checker: EmbeddingPipeline,
        meter: Meter,
        cache: AnalysisCache | None = None,
    ) -> None:
        self._analyzer = analyzer
        self._checker = checker
        self._meter = meter
        self._cache = cache

    async def analyze(
        self, query: AnalysisQuery, admitted: AdmittedRequest
    ) -> dict[str, list[Result]]:
        """A result for each text, by operation, in the order of the query."""
        found: dict[str, list[Result]] = {}
        stream = self.stream(query, admitted, [query.operations])
        async with aclosing(stream) as parts:
            async for operation, results in parts:
                found[operation] = results
        return {operation: found[operation] for operation in query.operations}

    async def stream(
        self,
        query: AnalysisQuery,
        admitted: AdmittedRequest,
        groups: Sequence[Sequence[str]],
    ) -> AsyncGenerator[tuple[str, list[Result]], None]:
        """Each operation with its results, when they are known. The operations of a group are sent
        together, the groups at once. Charges the characters of the texts that are not known, once.

        Raises NotInstalled, NotCached, and what limits, guardrails and the analyzer raise.
        """
        if self._analyzer is None:
            raise NotInstalled(NOT_SERVED, INSTALL)
        texts = await self._checker.checked(query.texts, admitted)
        work = _Work(query, texts, self._keys(query, texts, admitted))
        if self._cache is not None and work.keys is not None:
            work.add_known(self._cache.find(work.keys))
            self._cache.count(admitted.caller.tenant, is_hit=not work.missing)
        outcome = _note_outcome(work, admitted, self._cache)
        if not work.missing:
            self._record_hit(admitted)
        elif admitted.directives.only_if_cached:
            raise NotCached("This request's results are not cached.")
        else:
            outcome.stored = work.keys is not None
            computed = self._compute(self._analyzer, work, admitted, groups)
            async with aclosing(computed) as operations:
                async for operation in operations:
                    yield operation, work.results(operation)
        for operation in query.operations:
            if operation not in work.answered:
                yield operation, work.results(operation)

    def _keys(
        self, query: AnalysisQuery, texts: Sequence[str], admitted: AdmittedRequest
    ) -> AnalysisKeys | None:
        if self._cache is None:
            return None
        operations = [
            (operation.by, query.options.get(operation.name))
            for operation in find_operations(query.operations)
        ]
        tenant, directives = admitted.caller.tenant, admitted.directives
        return self._cache.keys(tenant, texts, operations, query.language, directives)

    async def _compute(
        self,
        analyzer: TextAnalyzer,
        work: "_Work",
        admitted: AdmittedRequest,
        groups: Sequence[Sequence[str]],
    ) -> AsyncGenerator[str, None]:
        """The operations as they are computed. Analysis that fails costs nothing."""
        amounts = UsageAmounts(characters=work.characters)
        since = admitted.timer.clock.monotonic()
        reservation = await admitted.permit.reserve(TEXT, amounts)
        admitted.timer.add_stage(RESERVE, since)
        used, requests = UsageAmounts(), 0
        parts = [[name for name in group if name in work.missing] for group in groups]
        tasks = [
            asyncio.create_task(self._call(analyzer, work, admitted, part, number))
            for number, part in enumerate(part for part in parts if part)
        ]
        try:
            for done in asyncio.as_completed(tasks):
                operations = await done
                used, requests = amounts, 1
                for operation in operations:
                    yield operation
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            reservation.settle(used, requests=requests)
            if requests:
                self._meter.record_call(
                    admitted.caller,
                    admitted.plan,
                    TEXT,
                    used,
                    admitted.tags,
                    collected=admitted.collected,
                )

    async def _call(
        self,
        analyzer: TextAnalyzer,
        work: "_Work",
        admitted: AdmittedRequest,
        operations: Sequence[str],
        number: int,
    ) -> Sequence[str]:
        timer, query = admitted.timer, work.query
        with timer.encoder_call(ANALYZE, TEXT) as timed:
            request = AnalyzeRequest(
                request_id=f"{admitted.request_id}-{number}" if number else admitted.request_id,
                caller=admitted.caller,
                texts=work.missing_texts,
                operations=tuple(operations),
                options={name: query.options[name] for name in operations if name in query.options},
                language=query.language,
                timeout_s=admitted.timeout_s("ingress"),
                priority=admitted.priority,
                trace=timed.trace,
                trace_state=timer.trace_state,
            )
            analysis = await analyzer.analyze(request)
        work.add_computed(analysis, self._cache, timed.ended_at - timed.opened_at)
        return operations

    def _record_hit(self, admitted: AdmittedRequest) -> None:
        self._meter.record_cache_hit(
            admitted.caller, admitted.plan, TEXT, admitted.tags, admitted.collected
        )
        if admitted.policies is not None:
            admitted.permit.charge_cache_hit(TEXT)


class _Work:
    """The results of one request so far. What is missing is a rectangle: the texts and operations
    of which any result is."""

    def __init__(
        self, query: AnalysisQuery, texts: Sequence[str], keys: AnalysisKeys | None
    ) -> None:
        self.query = query
        self.keys = keys
        self.answered: set[str] = set()
        self.missing: set[str] = set(query.operations)
        self._texts = texts
        self._rows = list(range(len(texts)))
        self._columns = {name: column for column, name in enumerate(query.operations)}
        self._found: list[list[Result | None]] = [
            [None] * len(query.operations) for _ in range(len(texts))
        ]

    @property
    def missing_texts(self) -> tuple[str, ...]:
        return tuple(self._texts[row] for row in self._rows)

    @property
    def characters(self) -> int:
        return sum(map(len, self.missing_texts))

    def add_known(self, found: list[list[Result | None]]) -> None:
        self._found = found
        self._rows = [row for row, results in enumerate(found) if None in results]
        self.missing = {
            name
            for name, column in self._columns.items()
            if any(results[column] is None for results in found)
        }

    def add_computed(
        self, analysis: TextAnalysis, cache: AnalysisCache | None, took_s: float
    ) -> None:
        for part in analysis.parts:
            column = self._columns[part.operation]
            for row, result in zip(self._rows, part.results, strict=True):
                body = self._found[row][column] = result.body()
                if cache is not None and self.keys is not None:
                    cache.add(self.keys, row, column, body, took_s)

    def results(self, operation: str) -> list[Result]:
        """Of every text."""
        self.answered.add(operation)
        column = self._columns[operation]
        return [found for row in self._found if (found := row[column]) is not None]


def _note_outcome(
    work: _Work, admitted: AdmittedRequest, cache: AnalysisCache | None
) -> CacheOutcome:
    """How the cache answered, for Cache-Status; noted where there is a cache."""
    if work.keys is None:
        reason = "no-store" if admitted.directives.no_store else "invalidations-unknown"
        outcome = CacheOutcome("bypass", reason)
    elif work.missing:
        outcome = CacheOutcome("request" if admitted.directives.no_cache else "miss")
    else:
        outcome = CacheOutcome(None, "l1")
    if cache is not None:
        admitted.outcomes.append(outcome)
    return outcome
