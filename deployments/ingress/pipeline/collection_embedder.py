"""Vectors of points and of queries: of what callers give, or by the collection's embedding model.

In: an admitted request, a collection, and points or a query. Out: points as they are stored, or a
query as it is sent to what searches. Calls of the model take the request path of embeddings; texts
are stored as guardrails let them through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.collections.model import Collection, DimensionsDiffer, PointDraft
from cluster.collections.vectors import pack_vectors, query_vector
from cluster.runtime.problems import InvalidRequest
from deployments.contracts.embedding import EmbedRequest, Vectors
from deployments.contracts.search import Fusion, SearchMode
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline

QUERY, DOCUMENT = "query", "document"  # input types


@dataclass(frozen=True, slots=True)
class GivenPoint:
    """A point as a caller gives it; without a vector, one is made of the text."""

    id: str
    text: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class GivenQuery:
    """What is searched for; `vector` None: that of the text, where the mode needs one. The rest is
    as in SearchRequest; `mode` None: hybrid, as far as there are words and a vector."""

    text: str = ""
    vector: NDArray[np.float32] | None = None
    limit: int = 10
    mode: SearchMode | None = None
    filter: Mapping[str, Any] | None = None
    min_score: float | None = None
    alpha: float | None = None
    fusion: Fusion = "scores"
    with_text: bool = True
    with_payload: bool = True
    explain: bool = False


class CollectionEmbedder:
    def __init__(self, embeddings: EmbeddingPipeline) -> None:
        self._embeddings = embeddings

    async def embed(
        self,
        request: AdmittedRequest,
        model: str,
        texts: Sequence[str],
        kind: str,
        dimensions: int | None = None,
        *,
        truncate: bool = False,
    ) -> tuple[Vectors, int]:
        """Vectors of texts of one kind, and their tokens. Problems name `input.N`."""
        sent = EmbedRequest(
            request_id=request.request_id,
            caller=request.caller,
            model=model,
            texts=tuple(texts),
            timeout_s=request.timeout_s("ingress"),
            priority=request.priority,
            dimensions=dimensions,
            input_types=(kind,),
            truncate=truncate,
        )
        found = await self._embeddings.embed(sent, request)
        return found.vectors, found.tokens

    async def drafts(
        self,
        request: AdmittedRequest,
        collection: Collection,
        given: Sequence[GivenPoint],
        *,
        truncate: bool,
    ) -> tuple[list[PointDraft], int]:
        """The points as they are stored, and the tokens that were read. Raises InvalidRequest
        (`points.N.text`, `points.N.vector`), DimensionsDiffer, and what embedding raises."""
        texts = await self._embeddings.checked(tuple(each.text for each in given), request)
        given = [replace(each, text=text) for each, text in zip(given, texts, strict=True)]
        vectors: dict[int, NDArray[np.float32]] = {
            at: point.vector for at, point in enumerate(given) if point.vector is not None
        }
        wanted = [at for at in range(len(given)) if at not in vectors] if collection.model else []
        tokens = 0
        for at in wanted:
            if not given[at].text:
                raise InvalidRequest(f"points.{at}.text: is empty.", param=f"points.{at}.text")
        if wanted:
            try:
                made, tokens = await self.embed(
                    request,
                    collection.model,
                    [given[at].text for at in wanted],
                    DOCUMENT,
                    collection.dimensions or None,
                    truncate=truncate,
                )
            except InvalidRequest as problem:
                raise _of_point(problem, wanted) from None
            vectors |= dict(zip(wanted, made, strict=True))
        packed = _pack(vectors, collection)
        drafts = [
            PointDraft(point.id, point.text, point.payload, packed.get(at))
            for at, point in enumerate(given)
        ]
        return drafts, tokens

    async def query(
        self,
        request: AdmittedRequest,
        collection: Collection,
        query: GivenQuery,
        mode: SearchMode,
    ) -> tuple[str, bytes, int]:
        """The text and the vector that are searched for, and the tokens that were read. Raises
        InvalidRequest (`text`, `vector`), DimensionsDiffer, and what embedding raises."""
        text = query.text if mode in ("text", "hybrid") else ""
        vector, tokens = query.vector, 0
        if mode == "text" or vector is not None:
            if text:
                [text] = await self._embeddings.checked((text,), request)
        elif mode in ("vector", "hybrid"):
            try:
                made, tokens = await self.embed(
                    request,
                    collection.model,
                    (query.text,),
                    QUERY,
                    collection.dimensions or None,
                    truncate=True,
                )
            except InvalidRequest as problem:
                raise _renamed(problem, "text") from None
            vector = made[0]
        if mode == "text" or vector is None:
            return text, b"", tokens
        if collection.dimensions and len(vector) != collection.dimensions:
            raise DimensionsDiffer("vector", len(vector), collection.dimensions)
        try:
            return text, query_vector(vector, collection.metric), tokens
        except ValueError as error:
            raise InvalidRequest(f"vector: {error}.", param="vector") from None


def mode_of(collection: Collection, query: GivenQuery) -> SearchMode:
    """Raises InvalidRequest where the query has not what the mode needs."""
    has_vector = query.vector is not None or bool(collection.model and query.text)
    mode = query.mode
    if mode is None:
        mode = "hybrid" if has_vector and query.text else "vector" if has_vector else "text"
    if mode in ("text", "hybrid") and not query.text:
        raise InvalidRequest(f"text: a query of the mode '{mode}' needs words.", param="text")
    if mode in ("vector", "hybrid") and not has_vector:
        what = "a vector" if query.text else "a text or a vector"
        raise InvalidRequest(f"vector: a query of the mode '{mode}' needs {what}.", param="vector")
    return mode


def _pack(vectors: Mapping[int, NDArray[np.float32]], collection: Collection) -> dict[int, bytes]:
    """By the index of their point. Raises DimensionsDiffer, InvalidRequest."""
    if not vectors:
        return {}
    first = next(iter(vectors.values()))
    wanted = collection.dimensions or len(first)
    for at, vector in vectors.items():
        if len(vector) != wanted:
            raise DimensionsDiffer(f"points.{at}.vector", len(vector), wanted)
    packed: dict[int, bytes] = {}
    rows = pack_vectors(np.stack(list(vectors.values())), collection.metric)
    for at, row in zip(vectors, rows, strict=True):
        if isinstance(row, str):
            raise InvalidRequest(f"points.{at}.vector: {row}.", param=f"points.{at}.vector")
        packed[at] = row
    return packed


def _of_point(problem: InvalidRequest, wanted: Sequence[int]) -> InvalidRequest:
    """A problem about `input.N` names the text of the point instead."""
    name, _, index = (problem.param or "").partition(".")
    if name != "input" or not index.isdigit():
        return problem
    return _renamed(problem, f"points.{wanted[int(index)]}.text")


def _renamed(problem: InvalidRequest, param: str) -> InvalidRequest:
    named = problem.param or ""
    if not named.startswith("input"):
        return problem
    detail = problem.detail.replace(named, param)
    return InvalidRequest(detail, **{**problem.extensions, "param": param})
