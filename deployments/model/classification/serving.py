"""One classifier that serves calls: checks the texts, batches them, enforces the deadline.

In: ClassifyRequests. Out: Classifications. Knows no Serve; the model works in threads of its own.
"""

import asyncio
from functools import partial
from pathlib import Path

import numpy as np

from cluster.runtime.clock import Clock
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest
from cluster.tenants.caller import Priority
from deployments.contracts.classification import Classification, ClassifyRequest
from deployments.contracts.generation import ModelCard
from deployments.model.classification.scoring import (
    Scoring,
    category_scoring,
    relevance_scoring,
)
from deployments.model.classification.spec import ClassifierSpec
from deployments.model.encoders.batched_model import LONGEST_TOKEN, BatchedModel
from deployments.model.encoders.encoder import Encoder
from deployments.model.encoders.engines import load_encoder
from deployments.model.encoders.tokens import EncoderTokenizer, TokenSequence
from deployments.model.model_files import find_model
from deployments.model.spec import ModelSpec


class ClassifierModel(BatchedModel):
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
        super().__init__(encoder.run, card, spec, clock)
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._scoring = scoring

    async def classify(self, request: ClassifyRequest) -> Classification:
        with self._calls.open():
            return await self._classify(request)

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
        tokenizer, in_thread = self._tokenizer, self._in_tokenizer_thread
        if request.query is None:
            return await in_thread(partial(tokenizer.encode_windows, request.texts))
        most = limit * LONGEST_TOKEN
        query, texts = request.query[:most], [text[:most] for text in request.texts]
        ids = await in_thread(partial(tokenizer.ids, query, special=True))
        if len(ids) >= limit - 1:  # a pair has one more special token, and a text at least one
            raise InvalidRequest(
                f"query has {len(ids)} tokens; model '{self._card.id}' takes {limit}, and a "
                "document beside it.",
                param="query",
                tokens=len(ids),
                limit=limit,
            )
        pairs = await in_thread(partial(tokenizer.encode_pairs, query, texts))
        return pairs, list(range(len(pairs)))


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
