"""One embedding model that serves calls: checks the texts, batches them, enforces the deadline.

In: EmbedRequests. Out: Embeddings. Knows no Serve; the model works in threads of its own, so the
event loop never waits for it.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from cluster.runtime.clock import Clock
from cluster.runtime.problems import (
    DeadlineExceeded,
    InvalidRequest,
    ModelFailed,
    UnsupportedParameter,
)
from cluster.tenants.caller import Priority
from deployments.contracts.embedding import Embeddings, EmbedRequest, Vectors
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.model.embeddings.batching import Batcher
from deployments.model.embeddings.call_counts import CallCounts
from deployments.model.embeddings.embedder import TextEncoder, load_sentence_encoder
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.encoders.tokens import TokenSequence
from deployments.model.text.tokenization import TokenizationService

_BATCHES = 5  # the one that runs, and four in line
# Bytes of text that a token stands for at most: tokenizers of this kind drop spaces, so no bound
# follows from their vocabularies. What has more is refused, or cut, before it is tokenized.
_LONGEST_TOKEN = 256


class EmbeddingModel:
    """Implements `ServedEmbedder` over a model in this process."""

    def __init__(
        self, encoder: TextEncoder, card: ModelCard, spec: EmbeddingSpec, clock: Clock
    ) -> None:
        self._encoder = encoder
        self._card = card
        self._sizes = frozenset((*spec.matryoshka, encoder.dimensions))
        self._threads = {
            name: ThreadPoolExecutor(1, f"embedder-{name}") for name in ("tokenize", "encode")
        }
        self.batcher: Batcher[TokenSequence] = Batcher(
            self._encode, spec.max_batch_tokens, spec.max_waiting, clock
        )
        self.tokenization = TokenizationService(encoder.tokenizer, spec.id, encoder.max_tokens)
        self._calls = CallCounts(clock, _BATCHES * spec.max_batch_tokens)

    async def embed(self, request: EmbedRequest) -> Embeddings:
        with self._calls.open():
            return await self._embed(request)

    async def card(self) -> ModelCard:
        return self._card

    async def load(self) -> ModelLoad:
        """`running` and `waiting` are texts, the rest calls; embeddings generate no tokens."""
        return self._calls.load(self.batcher.running, self.batcher.waiting)

    def report(self) -> dict[str, float]:
        """For autoscaling. A replica holds its batch and a window of neighbours."""
        return self._calls.report(self.batcher.running, self.batcher.waiting)

    async def close(self) -> None:
        await self.batcher.close()
        self.tokenization.close()
        for threads in self._threads.values():
            threads.shutdown(wait=False)

    async def _embed(self, request: EmbedRequest) -> Embeddings:
        try:
            async with asyncio.timeout(request.timeout_s):
                self._check_size(request)
                sequences = await self._tokenize(request)
                self._check_lengths(sequences)
                vectors = await self._submit(request, sequences)
        except TimeoutError as error:
            raise DeadlineExceeded(self._card.id, round(request.timeout_s, 3)) from error
        tokens = sum(map(len, sequences))
        return Embeddings(truncate(vectors, request.dimensions), tokens, self._card.id)

    async def _submit(self, request: EmbedRequest, sequences: Sequence[TokenSequence]) -> Vectors:
        tokens = [len(sequence) for sequence in sequences]
        urgent = request.priority is not Priority.BATCH
        with self._calls.tokens(sum(tokens)):
            return await self.batcher.submit(
                request.caller.tenant, sequences, tokens, urgent=urgent
            )

    def _check_size(self, request: EmbedRequest) -> None:
        most = self._encoder.max_tokens * _LONGEST_TOKEN
        for index, text in enumerate(request.texts):
            if not text:
                raise InvalidRequest(f"input.{index} is empty.", param=f"input.{index}")
            size = len(text.encode())
            if size > most and not request.truncate:
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

    def _check_lengths(self, sequences: Sequence[TokenSequence]) -> None:
        limit = self._encoder.max_tokens
        for index, sequence in enumerate(sequences):
            count, param = len(sequence), f"input.{index}"
            if not count:
                raise InvalidRequest(f"{param} has no tokens.", param=param)
            if count > limit:
                raise InvalidRequest(
                    f"{param} has {count} tokens; model '{self._card.id}' takes {limit}.",
                    param=param,
                    tokens=count,
                    limit=limit,
                )

    async def _tokenize(self, request: EmbedRequest) -> list[TokenSequence]:
        """Raises InvalidRequest for ids that the vocabulary does not have."""
        if request.token_ids:
            for index, ids in enumerate(request.token_ids):
                self._encoder.tokenizer.check(ids, f"input.{index}", self._card.id)
            return [TokenSequence(ids) for ids in request.token_ids]
        texts: Sequence[str] = request.texts
        if request.truncate:
            most = self._encoder.max_tokens * _LONGEST_TOKEN
            texts = [text[:most] for text in texts]
        loop = asyncio.get_running_loop()
        tokenize = partial(self._encoder.tokenize, cut=request.truncate)
        thread, types = self._threads["tokenize"], request.input_types
        return await loop.run_in_executor(thread, tokenize, texts, types)

    async def _encode(self, sequences: Sequence[TokenSequence]) -> Vectors:
        loop = asyncio.get_running_loop()
        try:
            encode, thread = self._encoder.encode, self._threads["encode"]
            return await loop.run_in_executor(thread, encode, sequences)
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


def load_embedding_model(spec: EmbeddingSpec, home: Path, clock: Clock) -> EmbeddingModel:
    """Find, convert, load and warm up; blocks for seconds. Raises FileNotFoundError or
    RuntimeError."""
    encoder, files = load_sentence_encoder(spec, home)
    card = ModelCard(
        id=spec.id,
        engine=encoder.engine,
        source=spec.source,
        revision=files.revision,
        context_length=encoder.max_tokens,
        created=files.created,
        parameters=files.parameters,
        description=spec.description,
        capabilities=frozenset({"embeddings"}),
    )
    return EmbeddingModel(encoder, card, spec, clock)
