"""The Serve replica that analyses texts.

In: AnalyzeRequests, by link or handle; a handle of an embedding model. Out: TextAnalyses, stats. A
plain class: graphs/ makes the deployment of it.
"""

from collections.abc import Iterable, Sequence

from ray.serve.handle import DeploymentHandle

from cluster.metrics.series import Reading
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from cluster.runtime.version import VERSION
from deployments.clients.link.methods import ANALYZE
from deployments.clients.link.options import link_options
from deployments.clients.model_client import EmbedderClient
from deployments.clients.serve.backends import embedding_client
from deployments.contracts.generation import ModelCard
from deployments.contracts.text_analysis import TEXT, AnalyzeRequest, TextAnalysis
from deployments.model.errors import as_response
from deployments.model.replica import LinkedReplica
from deployments.text.analysis import register_operation, text_operations
from deployments.text.analyzer import ThreadedAnalyzer
from deployments.text.embedding import BatchedEmbedder
from deployments.text.operation import TextOperation


class TextReplica(LinkedReplica):
    """Loads what its operations need when they are first asked for."""

    _model: ThreadedAnalyzer

    async def __init__(  # type: ignore[misc]
        self,
        embedder: DeploymentHandle | None,
        embedder_id: str = "",
        further: Sequence[TextOperation] = (),
    ) -> None:
        """`embedder` is the deployment of the embedding model `embedder_id` (None: there is
        none). `further` are operations of stages above this one."""
        for operation in further:
            register_operation(operation)
        settings, clock = self._begin(), SystemClock()
        self._embedder: EmbedderClient | None = None
        self._batches: BatchedEmbedder | None = None
        if embedder is not None:
            links = link_options(settings)
            self._embedder = embedding_client(embedder_id, embedder, ResilienceSpec(), clock, links)
            self._batches = BatchedEmbedder(self._embedder, embedder_id, clock)
        self._model = ThreadedAnalyzer(clock, None if self._batches is None else self._batches.of)
        self._created = int(clock.wall())
        self._serve(TEXT, {ANALYZE: self.analyze})

    async def analyze(self, request: AnalyzeRequest) -> TextAnalysis | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""
        return await as_response(self._model.analyze(request), request)

    async def card(self) -> ModelCard:
        operations = text_operations()
        return ModelCard(
            id=TEXT,
            engine=TEXT,
            source=TEXT,
            revision=f"{VERSION}:{','.join(each.by for each in operations.values())}",
            context_length=0,
            created=self._created,
            capabilities=frozenset(operations),
        )

    async def close(self) -> None:
        await super().close()
        if self._embedder is not None:
            await self._embedder.close()

    def _readings(self) -> Iterable[Reading]:
        yield from self._model.figures.read()
        if self._batches is not None:
            yield from self._batches.counts.read()

    async def record_routing_stats(self) -> dict[str, int | float]:
        figures = self._model.figures
        return {"running": figures.open_calls, "queued": 0}
