"""One embedding model that serves calls: checks the texts, batches them, enforces the deadline.

In: EmbedRequests. Out: Embeddings. Knows no Serve; the model works in threads of its own, so the
event loop never waits for it.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cluster.runtime.clock import Clock
from cluster.runtime.problems import (
    DeadlineExceeded,
    InvalidRequest,
    UnsupportedParameter,
)
from cluster.tenants.caller import Priority
from deployments.contracts.embedding import Embeddings, EmbedRequest, Vectors
from deployments.contracts.generation import ModelCard
from deployments.model.embeddings.embedder import TextEncoder, load_sentence_encoder
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.encoders.batched_model import LONGEST_TOKEN, BatchedModel
from deployments.model.encoders.tokens import TokenSequence
from deployments.model.text.tokenization import TokenizationService


class EmbeddingModel(BatchedModel):
    """Implements `ServedEmbedder` over a model in this process."""

    def __init__(
        self, encoder: TextEncoder, card: ModelCard, spec: EmbeddingSpec, clock: Clock
    ) -> None:
        super().__init__(encoder.encode, card, spec, clock)
        self._encoder = encoder
        self._sizes = frozenset((*spec.matryoshka, encoder.dimensions))
        self.tokenization = TokenizationService(encoder.tokenizer, spec.id, encoder.max_tokens)

    async def embed(self, request: EmbedRequest) -> Embeddings:
        with self._calls.open():
            return await self._embed(request)

    async def close(self) -> None:
        await super().close()
        self.tokenization.close()

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
        most = self._encoder.max_tokens * LONGEST_TOKEN
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
            most = self._encoder.max_tokens * LONGEST_TOKEN
            texts = [text[:most] for text in texts]
        tokenize, types = self._encoder.tokenize, request.input_types
        return await self._in_tokenizer_thread(
            partial(tokenize, texts, types, cut=request.truncate)
        )


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
