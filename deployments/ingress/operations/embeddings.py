"""`embeddings`: OpenAI embeddings over the request path."""

import base64
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.embedding import EmbedRequest, Vectors
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.schemas.embeddings import EmbeddingsRequest


class TextEmbeddings:
    """Body: EmbeddingsRequest. Answer: a list of `embedding` objects, in the order of `input`."""

    schema = EmbeddingsRequest
    request_class = RequestClass.EMBED
    scope = Scope.GENERATE
    can_stream = False

    def __init__(self, pipeline: EmbeddingPipeline) -> None:
        self._pipeline = pipeline

    async def answer(self, request: AdmittedRequest, body: EmbeddingsRequest) -> dict[str, Any]:
        embed_request = EmbedRequest(
            request_id=request.request_id,
            caller=request.caller,
            model=body.model,
            texts=body.texts(),
            timeout_s=request.timeout_s("ingress"),
            priority=request.priority,
            dimensions=body.dimensions,
            token_ids=body.token_ids(),
            input_types=() if body.input_type is None else (body.input_type,),
        )
        result = await self._pipeline.embed(embed_request, request)
        vectors = _base64(result.vectors) if body.encoding_format == "base64" else result.vectors
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
            "model": result.model,
            "usage": {"prompt_tokens": result.tokens, "total_tokens": result.tokens},
        }

    async def events(self, request: AdmittedRequest, body: EmbeddingsRequest) -> Events:
        """One event, the whole answer: there is nothing to stream."""
        yield None, await self.answer(request, body)


def _base64(vectors: Vectors) -> list[str]:
    return [base64.b64encode(row.tobytes()).decode() for row in vectors.astype("<f4", copy=False)]
