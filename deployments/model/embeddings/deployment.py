"""The Serve replica of one embedding model.

In: an EmbeddingSpec and calls over a handle. Out: Embeddings, stats. A plain class: graphs/ makes
the deployment of it. What Serve calls is async, so that it runs on the replica's event loop and
not in a pool of threads.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any

from cluster.runtime.clock import SystemClock
from cluster.runtime.garbage_collection import collect_rarely
from cluster.runtime.logging import configure_logging
from cluster.runtime.problems import Problem
from cluster.runtime.settings import Settings
from deployments.clients.link.endpoint import LinkEndpoint
from deployments.clients.link.methods import EMBED
from deployments.clients.link.options import link_options
from deployments.clients.serve.link_address import node_address, replica_name
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.contracts.links import LinkOffer, OpenLinkRequest
from deployments.model.embeddings.serving import EmbeddingModel, load_embedding_model
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.errors import as_response
from deployments.model.process_health import ProcessHealth
from deployments.model.spec import resolve_spec
from deployments.model.tokenizing_replica import TokenizingReplica

_UNHEALTHY_LAG_S = 5.0


class EmbedderReplica(TokenizingReplica):
    """Loads in its constructor: Serve awaits it and sends no request before it has returned."""

    _model: EmbeddingModel

    async def __init__(self, spec: EmbeddingSpec | Mapping[str, Any]) -> None:  # type: ignore[misc]
        self._health = ProcessHealth(SystemClock())
        settings = Settings()
        configure_logging(settings.log_level)
        collect_rarely()
        spec = resolve_spec(EmbeddingSpec, spec, settings.model_spec)
        home = settings.home
        self._model = await asyncio.to_thread(load_embedding_model, spec, home, SystemClock())
        methods = {EMBED: self.embed} | self._tokenizer_methods()
        self._links = LinkEndpoint(spec.id, methods, link_options(settings))
        self._health.mark_ready()
        self._serving = True

    async def embed(self, request: EmbedRequest) -> Embeddings | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""
        return await as_response(self._model.embed(request), request)

    async def open_link(
        self, request: OpenLinkRequest
    ) -> AsyncGenerator[LinkOffer | Problem, None]:
        """A link to this replica (deployments/clients/link), open as long as this call."""
        async with aclosing(self._links.offer(request, replica_name(), node_address())) as offers:
            async for offer in offers:
                yield offer

    async def card(self) -> ModelCard:
        return await self._model.card()

    async def load(self) -> ModelLoad:
        return await self._model.load()

    async def check_health(self) -> None:
        """Raises RuntimeError when the event loop is far behind."""
        if self._health.lag() > _UNHEALTHY_LAG_S:
            raise RuntimeError(f"the event loop was {self._health.lag():.1f} s late")

    async def loop_lag(self) -> float:
        return self._health.lag()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        links = {"links": self._links.offers}
        return self._model.report() | self._health.summary() | links

    async def record_routing_stats(self) -> dict[str, int | float]:
        batcher = self._model.batcher
        return {"running": batcher.running, "queued": batcher.waiting}

    async def close(self) -> None:
        """Refuse new work; Serve has let open requests finish before."""
        self._serving = False
        self._health.stop()
        await self._links.close()
        await self._model.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve calls this on the loop when it stops a replica, and awaits what it returns."""
        return self.close() if getattr(self, "_serving", False) else None
