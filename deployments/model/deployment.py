"""The Serve replica of one text model.

In: a ModelSpec and calls over a handle. Out: Completions, Chunks, stats. A plain class, of which
graphs/ makes the deployment.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import fields
from typing import Any

from cluster.metrics.series import Reading
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from deployments.clients.link.methods import GENERATE, SETTLE, STREAM, Handlers, RelayedStream
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
    SettleRequest,
    TokenUsage,
)
from deployments.contracts.text_relay import TextRelay
from deployments.model.errors import as_response, as_response_stream
from deployments.model.loading import load_text_model
from deployments.model.replica import LinkedReplica
from deployments.model.spec import LiveConfig, ModelSpec, resolve_spec
from deployments.model.text.text_model import TextModel
from deployments.model.tokenizing_replica import TokenizingReplica


class ModelReplica(TokenizingReplica, LinkedReplica):
    """Loads in its constructor: Serve awaits it and sends no request before it has returned."""

    _model: TextModel

    async def __init__(self, spec: ModelSpec | Mapping[str, Any]) -> None:  # type: ignore[misc]
        settings = self._begin()
        spec = resolve_spec(ModelSpec, spec, settings.model_spec)
        self._model = await load_text_model(spec, settings.home, SystemClock())
        stream = RelayedStream(self._relayed_stream, lambda: self._model.relay_hold_s)
        methods: Handlers = {GENERATE: self.generate, STREAM: stream, SETTLE: self.settle}
        self._serve(spec.id, {**self._tokenizer_methods(), **methods})

    async def generate(self, request: GenerateRequest) -> Completion | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""
        return await as_response(self._model.generate(request), request)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk | Problem, None]:
        """A problem is the last item."""
        async with aclosing(as_response_stream(self._model.stream(request), request)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _relayed_stream(
        self, request: GenerateRequest, relay: TextRelay
    ) -> AsyncGenerator[Chunk | Problem, None]:
        """The same for links."""
        return as_response_stream(self._model.stream(request, relay), request)

    async def settle(self, request: SettleRequest) -> TokenUsage:
        """The usage of an abandoned call; the request names this replica to the router."""
        return await self._model.settle(request.call)

    async def card(self) -> ModelCard:
        return self._model.card()

    async def load(self) -> ModelLoad:
        stats = self._model.engine.stats()
        counters = {field.name: getattr(stats, field.name) for field in fields(ModelLoad)}
        return ModelLoad(**counters | {"waiting": stats.waiting + self._model.admission.waiting})

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        self._model.reconfigure(LiveConfig.model_validate(user_config))

    async def check_health(self) -> None:
        """Raises RuntimeError when the engine is dead or the event loop is far behind."""
        self._model.engine.check_health()
        await super().check_health()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        load = self._model.report.load() | self._model.admission.report()
        return load | self._health.summary() | {"links": self._links.offers}

    def _readings(self) -> Iterable[Reading]:
        return self._model.report.read_metrics()

    async def record_routing_stats(self) -> dict[str, int | float]:
        return self._model.report.read_routing()
