"""The Serve replica that owns one shard of all collections.

In: SearchRequests, by link or handle. Out: SearchAnswers, stats. A plain class: graphs/ makes
deployments `Search`, `Search-1` ... of it, each with one replica. What it has in memory is a copy
of the database: another replica of the same shard would answer the same.
"""

import logging
from collections.abc import Iterable

from cluster.metrics.series import Reading
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from cluster.runtime.version import VERSION
from deployments.clients.link.methods import SEARCH_COLLECTION
from deployments.contracts.generation import ModelCard
from deployments.contracts.search import SEARCH, SearchAnswer, SearchRequest
from deployments.model.errors import AnswerLog, as_response
from deployments.model.replica import LinkedReplica
from deployments.search.config import SearchConfig
from deployments.search.late_searcher import LateSearcher

LOG = AnswerLog(logging.getLogger("mobula.search"), "a search failed", "a search was refused")


class SearchReplica(LinkedReplica):
    """It is ready at once; its searcher starts with the first call, or a moment later."""

    async def __init__(self, config: SearchConfig) -> None:  # type: ignore[misc]
        settings = self._begin(SEARCH)
        self._created = int(SystemClock().wall())
        self._model = self._searcher = LateSearcher(settings, config)
        self._serve(SEARCH, {SEARCH_COLLECTION: self.search_collection})

    async def search_collection(self, request: SearchRequest) -> SearchAnswer | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""

        async def work() -> SearchAnswer:
            return await (await self._searcher.started()).search(request)

        return await as_response(work(), request, LOG)

    async def card(self) -> ModelCard:
        return ModelCard(
            id=SEARCH,
            engine=SEARCH,
            source=SEARCH,
            revision=VERSION,
            context_length=0,
            created=self._created,
        )

    async def check_health(self) -> None:
        """Raises RuntimeError when the event loop is far behind, and the error that kept the
        searcher from starting."""
        await super().check_health()
        self._searcher.check()

    def _readings(self) -> Iterable[Reading]:
        return self._searcher.read_metrics()

    async def record_routing_stats(self) -> dict[str, int | float]:
        return {"running": self._searcher.open_searches, "queued": 0}
