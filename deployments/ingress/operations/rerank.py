"""`rerank`: documents in the order of their relevance, by a cross-encoder or an embedding model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cluster.runtime.problems import InvalidRequest
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.classification import ClassifyRequest
from deployments.contracts.embedding import EmbedRequest, Vectors
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.facts import TextFacts
from deployments.ingress.names.model_names import DefaultOf
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.schemas.reranking import RerankRequest

_QUERY, _DOCUMENT = "query", "document"  # input types


class Rerank:
    """Body: RerankRequest. Answer: `results`, the best first. Also at `/rerank` and `/v2/rerank`.

    `model` is a cross-encoder of the configuration, or an embedding model, whose vectors are
    compared by their cosine. Documents that are longer than the model takes are cut to its length.
    """

    schema = RerankRequest
    request_class = RequestClass.EMBED
    scope = Scope.GENERATE
    can_stream = False

    def __init__(self, pipeline: EmbeddingPipeline, models: ModelRegistry) -> None:
        self._pipeline = pipeline
        self._models = models

    async def answer(self, request: AdmittedRequest, body: RerankRequest) -> dict[str, Any]:
        texts, models, model = body.texts(), self._models, body.model
        known = (*models.reranker_ids, *models.embedder_ids)
        if model not in known:
            facts = TextFacts(request, request.caller, (body.query, *texts))
            default: DefaultOf = "default_embedding_model"
            model = models.names.resolve(model, facts, request, known, default)
        ranking = self._classify if model in models.reranker_ids else self._compare
        scores, tokens, model = await ranking(request, body, model, texts)
        # Equal scores in the order of the request.
        order = sorted(range(len(scores)), key=lambda at: -scores[at])[: body.top_n]
        ranked = [{"index": at, "relevance_score": scores[at]} for at in order]
        results: list[dict[str, Any]] = ranked
        if body.return_documents is not False:
            results = [{**each, "document": {"text": texts[each["index"]]}} for each in results]
        return {
            "object": "list",
            "id": f"rerank-{request.request_id}",
            "model": model,
            "results": results,
            "data": ranked,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    async def events(self, request: AdmittedRequest, body: RerankRequest) -> Events:
        """One event, the whole answer: there is nothing to stream."""
        yield None, await self.answer(request, body)

    async def _classify(
        self, request: AdmittedRequest, body: RerankRequest, model: str, texts: tuple[str, ...]
    ) -> tuple[Sequence[float], int, str]:
        sent = ClassifyRequest(
            request_id=request.request_id,
            caller=request.caller,
            model=model,
            texts=texts,
            query=body.query,
            timeout_s=request.timeout_s("ingress"),
            priority=request.priority,
        )
        known = self._models.reranker_ids
        with _fields_of_rerank(first_document=0):
            found = await self._pipeline.classify(sent, request, known)
        return found.scores[:, 0].tolist(), found.tokens, found.model

    async def _compare(
        self, request: AdmittedRequest, body: RerankRequest, model: str, texts: tuple[str, ...]
    ) -> tuple[Sequence[float], int, str]:
        sent = EmbedRequest(
            request_id=request.request_id,
            caller=request.caller,
            model=model,
            texts=(body.query, *texts),
            timeout_s=request.timeout_s("ingress"),
            priority=request.priority,
            input_types=(_QUERY, *[_DOCUMENT] * len(texts)),
            truncate=True,
        )
        with _fields_of_rerank(first_document=1):
            found = await self._pipeline.embed(sent, request)
        return cosines(found.vectors[0], found.vectors[1:]).tolist(), found.tokens, found.model


def cosines(query: Vectors, documents: Vectors) -> Vectors:
    """The cosine of `query` with each row; 0 with a vector of zeros."""
    lengths = np.linalg.norm(documents, axis=1) * np.linalg.norm(query)
    products = documents @ query
    found: Vectors = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return np.clip(found, -1.0, 1.0)


@contextmanager
def _fields_of_rerank(first_document: int) -> Iterator[None]:
    """Problems that name `input.N` name `query` or a document instead."""
    try:
        yield
    except InvalidRequest as problem:
        name, _, index = (problem.param or "").partition(".")
        if name != "input" or not index.isdigit():
            raise
        at = int(index) - first_document
        field = f"documents.{at}" if at >= 0 else "query"
        detail = problem.detail.replace(f"input.{index}", field)
        raise InvalidRequest(detail, **{**problem.extensions, "param": field}) from None
