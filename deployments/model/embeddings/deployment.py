"""The Serve replica of one embedding model.

In: an EmbeddingSpec and calls over a handle. Out: Embeddings, stats. A plain class: graphs/ makes
the deployment of it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from deployments.clients.link.methods import EMBED
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.model.embeddings.serving import EmbeddingModel, load_embedding_model
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.encoders.replica import EncoderReplica
from deployments.model.errors import as_response
from deployments.model.spec import resolve_spec
from deployments.model.tokenizing_replica import TokenizingReplica


class EmbedderReplica(TokenizingReplica, EncoderReplica):
    """Loads in its constructor: Serve awaits it and sends no request before it has returned."""

    _model: EmbeddingModel

    async def __init__(self, spec: EmbeddingSpec | Mapping[str, Any]) -> None:  # type: ignore[misc]
        settings = self._begin()
        spec = resolve_spec(EmbeddingSpec, spec, settings.model_spec)
        clock = SystemClock()
        self._model = await asyncio.to_thread(load_embedding_model, spec, settings.home, clock)
        self._serve(spec.id, {EMBED: self.embed} | self._tokenizer_methods())

    async def embed(self, request: EmbedRequest) -> Embeddings | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""
        return await as_response(self._model.embed(request), request)
