"""A model that encodes texts in batches, in threads of its own: what all of them share.

In: token sequences. Out: arrays, load and stats. Knows no Serve.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cluster.runtime.clock import Clock
from cluster.runtime.problems import ModelFailed
from deployments.contracts.embedding import Vectors
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.model.encoders.batching import Batcher
from deployments.model.encoders.call_counts import CallCounts
from deployments.model.encoders.spec import EncoderSpec
from deployments.model.encoders.tokens import TokenSequence

T = TypeVar("T")

# The most bytes of text that a token is assumed to stand for: tokenizers of this kind drop spaces,
# so no bound follows from their vocabularies. What has more is refused, or cut, before it is
# tokenized.
LONGEST_TOKEN = 256
_BATCHES = 5  # the one that runs, and four in line


class BatchedModel:
    """A base of models that serve calls. `encode` blocks, and runs in a thread."""

    def __init__(
        self,
        encode: Callable[[Sequence[TokenSequence]], Vectors],
        card: ModelCard,
        spec: EncoderSpec,
        clock: Clock,
    ) -> None:
        self._card = card
        self._run_encoder = encode
        self._tokenizing = ThreadPoolExecutor(1, "tokenize")
        self._encoding = ThreadPoolExecutor(1, "encode")
        self.batcher: Batcher[TokenSequence] = Batcher(
            self._encode, spec.max_batch_tokens, spec.max_waiting, clock
        )
        self._calls = CallCounts(clock, _BATCHES * spec.max_batch_tokens)

    async def card(self) -> ModelCard:
        return self._card

    async def load(self) -> ModelLoad:
        """`running` and `waiting` are texts, the rest calls; encoders generate no tokens."""
        return self._calls.load(self.batcher.running, self.batcher.waiting)

    def report(self) -> dict[str, float]:
        """For autoscaling: texts that run and wait, and calls of the last half minute."""
        return self._calls.report(self.batcher.running, self.batcher.waiting)

    async def close(self) -> None:
        await self.batcher.close()
        self._tokenizing.shutdown(wait=False)
        self._encoding.shutdown(wait=False)

    async def _in_tokenizer_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._tokenizing, function)

    async def _encode(self, sequences: Sequence[TokenSequence]) -> Vectors:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._encoding, self._run_encoder, sequences)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelFailed(self._card.id) from error
