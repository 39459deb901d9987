"""A replica with the queue and the slots of a real text model, over an engine that echoes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from deployments.clients.link.methods import RelayedStream
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    SettleRequest,
    TokenUsage,
)
from deployments.contracts.text_relay import TextRelay
from deployments.model.engines.echo import EchoEngine
from deployments.model.errors import as_response_stream
from deployments.model.spec import Limits
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from tests.contract.links.scripted_replica import ScriptedReplica

SLOTS = 8
TOKENS_PER_S = 100  # of each sequence; a token is a byte


class QueuedReplica(ScriptedReplica):
    """Runs SLOTS requests at once; others wait for a slot."""

    def __init__(self, name: str, tokens_per_s: float = TOKENS_PER_S) -> None:
        super().__init__(name)
        engine = EchoEngine(SLOTS, tokens_per_second=tokens_per_s)
        card = ModelCard("m", "echo", "echo", "echo-1", 8192, 0)
        limits = Limits(8192, max_running=SLOTS, max_waiting=1000)
        self._model = TextModel(engine, ByteTokenizer(), card, limits, SystemClock())

    @property
    def held(self) -> int:
        """Requests that hold a slot or wait for one, in the queue or in the engine."""
        queue, engine = self._model.admission, self._model.engine.stats()
        return queue.running + queue.waiting + engine.running + engine.waiting

    def stream_handler(self) -> RelayedStream:
        return RelayedStream(self._relayed, lambda: self._model.relay_hold_s)

    async def settle(self, sent: SettleRequest) -> TokenUsage:
        return await self._model.settle(sent.call)

    async def _generate(self, sent: GenerateRequest) -> Completion:
        with self._open(sent.messages[0].content):
            return await self._model.generate(sent)

    def _relayed(
        self, sent: GenerateRequest, relay: TextRelay
    ) -> AsyncGenerator[Chunk | Problem, None]:
        return as_response_stream(self._stream(sent, relay), sent)

    async def _stream(
        self, sent: GenerateRequest, relay: TextRelay | None = None
    ) -> AsyncGenerator[Chunk, None]:
        with self._open(sent.messages[0].content):
            async with aclosing(self._model.stream(sent, relay)) as chunks:
                async for chunk in chunks:
                    yield chunk
