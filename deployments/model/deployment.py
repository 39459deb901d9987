"""The Serve replica of one text model.

In: a ModelSpec and calls over a handle. Out: Completions, Chunks, stats. A plain class, of which
graphs/ makes the deployment. What Serve calls is async: it then runs on the replica's event loop.
"""

from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import fields
from typing import Any

from cluster.runtime.clock import SystemClock
from cluster.runtime.garbage_collection import collect_rarely
from cluster.runtime.logging import configure_logging
from cluster.runtime.problems import Problem
from cluster.runtime.settings import Settings
from deployments.clients.link.endpoint import LinkEndpoint
from deployments.clients.link.methods import GENERATE, SETTLE, STREAM
from deployments.clients.link.options import link_options
from deployments.clients.serve.link_address import node_address, replica_name
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
    SettleRequest,
    TokenUsage,
)
from deployments.contracts.links import LinkOffer, OpenLinkRequest
from deployments.model.errors import as_response, as_response_stream
from deployments.model.loading import load_text_model
from deployments.model.process_health import ProcessHealth
from deployments.model.spec import LiveConfig, ModelSpec, resolve_spec
from deployments.model.text.text_model import TextModel
from deployments.model.tokenizing_replica import TokenizingReplica

_UNHEALTHY_LAG_S = 5.0


class ModelReplica(TokenizingReplica):
    """Loads in its constructor: Serve awaits it and sends no request before it has returned."""

    _model: TextModel

    async def __init__(self, spec: ModelSpec | Mapping[str, Any]) -> None:  # type: ignore[misc]
        self._health = ProcessHealth(SystemClock())
        settings = Settings()
        configure_logging(settings.log_level)
        collect_rarely()
        spec = resolve_spec(ModelSpec, spec, settings.model_spec)
        self._model = await load_text_model(spec, settings.home, SystemClock())
        methods = self._tokenizer_methods()
        methods |= {GENERATE: self.generate, STREAM: self.stream, SETTLE: self.settle}
        self._links = LinkEndpoint(spec.id, methods, link_options(settings))
        self._health.mark_ready()
        self._serving = True

    async def generate(self, request: GenerateRequest) -> Completion | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""
        return await as_response(self._model.generate(request), request)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk | Problem, None]:
        """A problem is the last item."""
        async with aclosing(as_response_stream(self._model.stream(request), request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def settle(self, request: SettleRequest) -> TokenUsage:
        """The usage of an abandoned call; the request names this replica to the router."""
        return await self._model.settle(request.call)

    async def open_link(
        self, request: OpenLinkRequest
    ) -> AsyncGenerator[LinkOffer | Problem, None]:
        """A link to this replica (deployments/clients/link), open as long as this call."""
        async with aclosing(self._links.offer(request, replica_name(), node_address())) as offers:
            async for offer in offers:
                yield offer

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
        if self._health.lag() > _UNHEALTHY_LAG_S:
            raise RuntimeError(f"the event loop was {self._health.lag():.1f} s late")

    async def loop_lag(self) -> float:
        return self._health.lag()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        load = self._model.load() | self._model.admission.report()
        return load | self._health.summary() | {"links": self._links.offers}

    async def record_routing_stats(self) -> dict[str, int | float]:
        return self._model.routing()

    async def close(self) -> None:
        """Refuse new work and end the engine; Serve has let open requests finish before."""
        self._serving = False
        self._health.stop()
        await self._links.close()
        await self._model.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve calls this on the loop when it stops a replica, and awaits what it returns."""
        return self.close() if getattr(self, "_serving", False) else None
