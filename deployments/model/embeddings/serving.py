"""One embedding model that serves calls: checks the texts, batches them, enforces the deadline.

In: EmbedRequests. Out: Embeddings. Knows no Serve; the model works in threads of its own, so the
event loop never waits for it.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cluster.runtime.clock import Clock
from cluster.runtime.problems import (
    DeadlineExceeded,
    InvalidRequest,
    ModelFailed,
    Problem,
    UnsupportedParameter,
)
from cluster.tenants.caller import Priority
from deployments.contracts.embedding import Embeddings, EmbedRequest, Vectors
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.model.embeddings.batching import Batcher
from deployments.model.embeddings.embedder import TextEncoder, load_encoder
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.queueing.latency_stats import LatencyStats

_BATCHES = 5  # the one that runs, and four in line
# Bytes of text that a token stands for at most: tokenizers of this kind drop spaces, so no bound
# follows from their vocabularies. What has more is refused before it is tokenized.
_LONGEST_TOKEN = 256


@dataclass(slots=True)
class _Counts:
    submitted: int = 0
    finished: int = 0
    cancelled: int = 0
    failed: int = 0
    handlers: int = 0


class EmbeddingModel:
    """Implements `ServedEmbedder` over a model in this process."""

    def __init__(
        self, encoder: TextEncoder, card: ModelCard, spec: EmbeddingSpec, clock: Clock
    ) -> None:
        self._encoder = encoder
        self._card = card
        self._sizes = frozenset((*spec.matryoshka, encoder.dimensions))
        self._threads = {
            name: ThreadPoolExecutor(1, f"embedder-{name}") for name in ("count", "encode")
        }
        self.batcher = Batcher(self._encode, spec.max_batch_tokens, spec.max_waiting, clock)
        self._counts = _Counts()
        self._latency = LatencyStats(clock)
        self._clock = clock
        self._capacity = _BATCHES * spec.max_batch_tokens

    async def embed(self, request: EmbedRequest) -> Embeddings:
        counts = self._counts
        counts.submitted += 1
        counts.handlers += 1
        since = self._clock.monotonic()
        self._latency.record_arrival(since)
        try:
            embeddings = await self._embed(request)
            counts.finished += 1
            self._latency.record_response(since, self._clock.monotonic())
            return embeddings
        except asyncio.CancelledError:
            counts.cancelled += 1
            raise
        except Exception as error:
            if isinstance(error, Problem) and error.status < 500:
                counts.submitted -= 1  # refused: the model has not failed
            else:
                counts.failed += 1
            raise
        finally:
            counts.handlers -= 1

    async def card(self) -> ModelCard:
        return self._card

    async def load(self) -> ModelLoad:
        """`running` and `waiting` are texts, the rest calls; embeddings generate no tokens."""
        counts, batcher = self._counts, self.batcher
        return ModelLoad(
            running=batcher.running,
            waiting=batcher.waiting,
            submitted=counts.submitted,
            finished=counts.finished,
            cancelled=counts.cancelled,
            failed=counts.failed,
            tokens_out=0,
            handlers=counts.handlers,
        )

    def report(self) -> dict[str, float]:
        """For autoscaling: texts that run and wait, their tokens, and calls of the last half
        minute. A replica holds its batch and a window of neighbours."""
        batcher = self.batcher
        texts = {"running": batcher.running, "queued": batcher.waiting}
        tokens = {"tokens": self._latency.tokens, "tokens_capacity": self._capacity}
        return texts | tokens | self._latency.summary()

    async def close(self) -> None:
        await self.batcher.close()
        for threads in self._threads.values():
            threads.shutdown(wait=False)

    async def _embed(self, request: EmbedRequest) -> Embeddings:
        try:
            async with asyncio.timeout(request.timeout_s):
                self._check_size(request)
                tokens = await self._count(request.texts)
                self._check_lengths(tokens)
                vectors = await self._submit(request, tokens)
        except TimeoutError as error:
            raise DeadlineExceeded(self._card.id, round(request.timeout_s, 3)) from error
        return Embeddings(truncate(vectors, request.dimensions), sum(tokens), self._card.id)

    async def _submit(self, request: EmbedRequest, tokens: list[int]) -> Vectors:
        open_tokens = sum(tokens)
        self._latency.tokens += open_tokens
        try:
            urgent = request.priority is not Priority.BATCH
            tenant = request.caller.tenant
            return await self.batcher.submit(tenant, request.texts, tokens, urgent=urgent)
        finally:
            self._latency.tokens -= open_tokens

    def _check_size(self, request: EmbedRequest) -> None:
        most = self._encoder.max_tokens * _LONGEST_TOKEN
        for index, text in enumerate(request.texts):
            if not text:
                raise InvalidRequest(f"input.{index} is empty.", param=f"input.{index}")
            size = len(text.encode())
            if size > most:
                raise InvalidRequest(
                    f"input.{index} has {size} bytes; model '{self._card.id}' takes "
                    f"{self._encoder.max_tokens} tokens, which are at most {most} bytes.",
                    param=f"input.{index}",
                    bytes=size,
                    limit_bytes=most,
                )
        if request.dimensions is not None and request.dimensions not in self._sizes:
            sizes = ", ".join(map(str, sorted(self._sizes)))
            raise UnsupportedParameter("dimensions", f"model '{self._card.id}' has {sizes}.")

    def _check_lengths(self, tokens: Sequence[int]) -> None:
        limit = self._encoder.max_tokens
        for index, count in enumerate(tokens):
            if count > limit:
                raise InvalidRequest(
                    f"input.{index} has {count} tokens; model '{self._card.id}' takes {limit}.",
                    param=f"input.{index}",
                    tokens=count,
                    limit=limit,
                )

    async def _count(self, texts: Sequence[str]) -> list[int]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads["count"], self._encoder.count_tokens, texts)

    async def _encode(self, texts: Sequence[str]) -> Vectors:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads["encode"], self._encoder.encode, texts)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelFailed(self._card.id) from error


def truncate(vectors: Vectors, dimensions: int | None) -> Vectors:
    """The first `dimensions` of each vector, of length 1 again (Matryoshka representation
    learning, Kusupati et al., NeurIPS 2022)."""
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    short = vectors[:, :dimensions]
    norms = np.linalg.norm(short, axis=1, keepdims=True)
    return np.ascontiguousarray(short / np.maximum(norms, 1e-12), dtype=np.float32)


def load_embedding_model(spec: EmbeddingSpec, clock: Clock) -> EmbeddingModel:
    """Find, load and warm up; blocks for seconds. Raises FileNotFoundError or RuntimeError."""
    encoder, files = load_encoder(spec)
    card = ModelCard(
        id=spec.id,
        engine="sentence-transformers",
        source=spec.source,
        revision=files.revision,
        context_length=encoder.max_tokens,
        created=files.created,
        parameters=files.parameters,
        description=spec.description,
        capabilities=frozenset({"embeddings"}),
    )
    return EmbeddingModel(encoder, card, spec, clock)
