"""One classifier that serves calls: checks the texts, batches them, enforces the deadline.

In: ClassifyRequests. Out: Classifications. Knows no Serve; the model works in threads of its own.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from cluster.runtime.clock import Clock
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, ModelFailed
from cluster.tenants.caller import Priority
from deployments.contracts.classification import Classification, ClassifyRequest
from deployments.contracts.embedding import Vectors
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.model.classification.scoring import (
    Scoring,
    category_scoring,
    relevance_scoring,
)
from deployments.model.classification.spec import ClassifierSpec
from deployments.model.embeddings.batching import Batcher
from deployments.model.embeddings.call_counts import CallCounts
from deployments.model.encoders.encoder import Encoder
from deployments.model.encoders.engines import load_encoder
from deployments.model.encoders.tokens import EncoderTokenizer, TokenSequence
from deployments.model.model_files import find_model
from deployments.model.spec import ModelSpec

_LONGEST_TOKEN = 256  # characters: what has more for each token is cut before it is tokenized
_BATCHES = 5  # the one that runs, and four in line


class ClassifierModel:
    """Implements `ServedClassifier` over a model in this process."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: EncoderTokenizer,
        scoring: Scoring,
        card: ModelCard,
        spec: ClassifierSpec,
        clock: Clock,
    ) -> None:
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._scoring = scoring
        self._card = card
        self._threads = {
            name: ThreadPoolExecutor(1, f"classifier-{name}") for name in ("tokenize", "encode")
        }
        self.batcher: Batcher[TokenSequence] = Batcher(
            self._run, spec.max_batch_tokens, spec.max_waiting, clock
        )
        self._calls = CallCounts(clock, _BATCHES * spec.max_batch_tokens)

    async def classify(self, request: ClassifyRequest) -> Classification:
        with self._calls.open():
            return await self._classify(request)

    async def card(self) -> ModelCard:
        return self._card

    async def load(self) -> ModelLoad:
        """`running` and `waiting` are texts, the rest calls; classifiers generate no tokens."""
        return self._calls.load(self.batcher.running, self.batcher.waiting)

    def report(self) -> dict[str, float]:
        """For autoscaling: texts that run and wait, and calls of the last half minute."""
        return self._calls.report(self.batcher.running, self.batcher.waiting)

    async def close(self) -> None:
        await self.batcher.close()
        for threads in self._threads.values():
            threads.shutdown(wait=False)

    async def _classify(self, request: ClassifyRequest) -> Classification:
        try:
            async with asyncio.timeout(request.timeout_s):
                sequences, starts = await self._tokenize(request)
                tokens = [len(sequence) for sequence in sequences]
                with self._calls.tokens(sum(tokens)):
                    logits = await self.batcher.submit(
                        request.caller.tenant,
                        sequences,
                        tokens,
                        urgent=request.priority is not Priority.BATCH,
                    )
        except TimeoutError as error:
            raise DeadlineExceeded(self._card.id, round(request.timeout_s, 3)) from error
        scoring = self._scoring
        scores = np.maximum.reduceat(scoring.scores(logits), starts, axis=0)
        return Classification(scores, scoring.labels, sum(tokens), self._card.id)

    async def _tokenize(self, request: ClassifyRequest) -> tuple[list[TokenSequence], list[int]]:
        """The sequences, and where those of each text begin.

        Raises InvalidRequest for an empty text, and a query that leaves no room for a text.
        """
        limit = self._encoder.facts.max_tokens
        for index, text in enumerate(request.texts):
            if not text:
                raise InvalidRequest(f"input.{index} is empty.", param=f"input.{index}")
        loop, thread = asyncio.get_running_loop(), self._threads["tokenize"]
        if request.query is None:
            return await loop.run_in_executor(thread, self._tokenizer.encode_windows, request.texts)
        most = limit * _LONGEST_TOKEN
        query, texts = request.query[:most], [text[:most] for text in request.texts]
        ids = await loop.run_in_executor(thread, partial(self._tokenizer.ids, special=True), query)
        if len(ids) >= limit - 1:  # a pair has one more special token, and a text at least one
            raise InvalidRequest(
                f"query has {len(ids)} tokens; model '{self._card.id}' takes {limit}, and a "
                "document beside it.",
                param="query",
                tokens=len(ids),
                limit=limit,
            )
        pairs = await loop.run_in_executor(thread, self._tokenizer.encode_pairs, query, texts)
        return pairs, list(range(len(pairs)))

    async def _run(self, sequences: Sequence[TokenSequence]) -> Vectors:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads["encode"], self._encoder.run, sequences)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelFailed(self._card.id) from error


def load_classifier(spec: ClassifierSpec, home: Path, clock: Clock) -> ClassifierModel:
    """Find (or download, or convert), load and warm up; blocks for seconds.

    Raises FileNotFoundError or RuntimeError.
    """
    files = find_model(ModelSpec(id=spec.id, source=spec.source, revision=spec.revision))
    encoder = load_encoder(spec.id, files, "classification", spec.engine, spec.options(), home)
    tokenizer = EncoderTokenizer(files.folder, encoder.facts)
    if spec.task == "rerank":
        scoring = relevance_scoring(encoder.facts, spec.id)
    else:
        scoring = category_scoring(encoder.facts, spec.categories, spec.id)
    encoder.run(tokenizer.encode(["warm-up"]))
    card = ModelCard(
        id=spec.id,
        engine=encoder.name,
        source=spec.source,
        revision=files.revision,
        context_length=encoder.facts.max_tokens,
        created=files.created,
        parameters=files.parameters,
        description=spec.description,
        capabilities=frozenset({spec.task}),
    )
    return ClassifierModel(encoder, tokenizer, scoring, card, spec, clock)
