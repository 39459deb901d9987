"""`embeddings`: OpenAI embeddings over the request path."""

import base64
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.embedding import Embedder, EmbedRequest, Vectors
from deployments.ingress.context import RequestContext
from deployments.ingress.http.streaming import Events
from deployments.ingress.schemas.embeddings import EmbeddingsRequest


class TextEmbeddings:
    """Body: EmbeddingsRequest. Answer: a list of `embedding` objects, in the order of `input`."""

    schema = EmbeddingsRequest
    request_class = RequestClass.EMBED

    def __init__(self, path: Embedder) -> None:
        self._path = path

    def streams(self, body: EmbeddingsRequest) -> bool:
        return False

    async def answer(self, call: RequestContext, body: EmbeddingsRequest) -> dict[str, Any]:
        call.require(Scope.GENERATE)
        found = await self._path.embed(
            EmbedRequest(
                request_id=call.request_id,
                caller=call.caller,
                model=body.model,
                texts=body.texts(),
                timeout_s=call.timeout_s("ingress"),
                priority=call.priority,
                dimensions=body.dimensions,
            )
        )
        vectors = _base64(found.vectors) if body.encoding_format == "base64" else found.vectors
        return {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": vector if isinstance(vector, str) else vector.tolist(),
                }
                for index, vector in enumerate(vectors)
            ],
            "model": found.model,
            "usage": {"prompt_tokens": found.tokens, "total_tokens": found.tokens},
        }

    async def events(self, call: RequestContext, body: EmbeddingsRequest) -> Events:
        """One event, the whole answer: there is nothing to stream."""
        yield None, await self.answer(call, body)


def _base64(vectors: Vectors) -> list[str]:
    return [base64.b64encode(row.tobytes()).decode() for row in vectors.astype("<f4", copy=False)]
