"""Finds posts of the library that are like another one, with the embedder of this cluster.

In: a post and the request that asks. Out: posts and cosines; or why there are none, as there is no
embedding model. Calls of the model are admitted and counted as any other.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cluster.library.model import LibraryPost
from cluster.library.similarity import (
    MAX_EMBEDDED,
    ComparedPost,
    SimilarPost,
    find_compared,
    rank,
    read_bodies,
    read_posts,
    store_vectors,
    to_bytes,
)
from cluster.storage.database import Database
from deployments.contracts.embedding import EmbedRequest
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline

NO_EMBEDDER = "No embedding model is configured (embeddings.models of serve_config.yaml)."


@dataclass(frozen=True, slots=True)
class SimilarPosts:
    """`compared` of `total` posts have vectors so far; the others follow with the next searches.
    `reason` says why posts cannot be compared (None: they can)."""

    posts: tuple[SimilarPost, ...] = ()
    model: str | None = None
    compared: int = 0
    total: int = 0
    reason: str | None = None


class SimilarPostFinder:
    """`models` gives the ids of the embedding models; the first one compares."""

    def __init__(
        self,
        database: Database,
        pipeline: EmbeddingPipeline,
        models: Callable[[], Sequence[str]],
    ) -> None:
        self._database = database
        self._pipeline = pipeline
        self._models = models

    async def find(
        self, request: AdmittedRequest, tenant: str, post: LibraryPost, limit: int
    ) -> SimilarPosts:
        """Raises what the pipeline raises, and DatabaseUnavailable."""
        models = self._models()
        if not models:
            return SimilarPosts(reason=NO_EMBEDDER)
        model = models[0]
        async with self._database.read() as connection:
            found = await find_compared(connection, tenant, model)
        vectors = {each.digest: each.vector for each in found if each.vector is not None}
        own = next((each.digest for each in found if each.number == post.number), None)
        vectors |= await self._embed_missing(request, tenant, model, found, own)
        others = [each for each in found if each.number != post.number and each.digest in vectors]
        if own is None or own not in vectors:  # it is older than all that are compared
            return SimilarPosts((), model, len(others), len(found))
        ranked = await asyncio.to_thread(
            rank, vectors[own], [vectors[each.digest] for each in others], limit
        )
        numbers = [others[index].number for index, _ in ranked]
        async with self._database.read() as connection:
            posts = await read_posts(connection, tenant, numbers)
        similar = (
            SimilarPost(posts[number], score)
            for number, (_, score) in zip(numbers, ranked, strict=True)
            if number in posts
        )
        return SimilarPosts(tuple(similar), model, len(others) + 1, len(found))

    async def _embed_missing(
        self,
        request: AdmittedRequest,
        tenant: str,
        model: str,
        found: Sequence[ComparedPost],
        own: str | None,
    ) -> dict[str, bytes]:
        """New vectors by digest, that of the post first."""
        missing = {each.digest: None for each in found if each.vector is None}
        chosen = sorted(missing, key=lambda digest: digest != own)[:MAX_EMBEDDED]
        if not chosen:
            return {}
        async with self._database.read() as connection:
            bodies = await read_bodies(connection, tenant, chosen)
        digests = sorted(bodies, key=lambda digest: len(bodies[digest]))
        if not digests:
            return {}
        embedded = await self._pipeline.embed(
            EmbedRequest(
                request_id=request.request_id,
                caller=request.caller,
                model=model,
                texts=tuple(bodies[digest] for digest in digests),
                timeout_s=request.timeout_s("ingress"),
                priority=request.priority,
                truncate=True,
            ),
            request,
        )
        made = dict(zip(digests, to_bytes(embedded.vectors), strict=True))
        async with self._database.begin() as connection:
            await store_vectors(connection, tenant, model, made)
        return made
