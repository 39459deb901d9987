"""A text model that a provider serves: implements `ServedModel` and `SettlingModel`.

In: a GenerateRequest. Out: what an upstream answers, within the deadline; another upstream is tried
where one fails before its first output. The usage of a call that was abandoned is estimated, as
providers do not report it: its prompt, and the text that has arrived; of an answer in one piece,
the tokens that the model makes in that time.
"""

import itertools
import uuid
from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import Any, Final

from cluster.resilience.attempts import Attempt
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    TokenUsage,
)
from deployments.contracts.text_generator import MadeAttempt
from deployments.contracts.text_relay import TextRelay
from deployments.providers.attempts import UnaryUpstreamAttempt
from deployments.providers.output_speed import OutputSpeed
from deployments.providers.provided_model import ProvidedModel
from deployments.providers.stream_attempt import StreamUpstreamAttempt
from deployments.providers.upstream_caller import UpstreamCaller
from deployments.providers.usage import estimated_tokens, prompt_bytes
from deployments.providers.wire import StreamDecoder, WireCodec, WireRequest

_PROCESS_ID: Final = uuid.uuid4().hex[:12]
_call_numbers = itertools.count(1)


class CompletionCall:
    """A `WireCall` (attempts.py) of a text model."""

    __slots__ = ("_codec", "_streams", "request")

    def __init__(self, codec: WireCodec, request: GenerateRequest, *, streams: bool) -> None:
        self.request = request
        self._codec = codec
        self._streams = streams

    def encode(self, source: str) -> WireRequest:
        return self._codec.encode(self.request, source, stream=self._streams)

    def decode(self, body: bytes) -> Completion:
        return self._codec.decode(self.request, body)

    def decoder(self) -> StreamDecoder:
        return self._codec.decoder(self.request)

    def problem(self, status: int, headers: Mapping[str, str], body: bytes) -> Problem:
        return self._codec.problem(status, headers, body)


class ProviderModel(ProvidedModel):
    """A text model."""

    def __init__(
        self,
        card: ModelCard,
        codec: WireCodec,
        caller: UpstreamCaller,
        spec: ResilienceSpec,
        clock: Clock,
        max_output_tokens: int,
    ) -> None:
        """`max_output_tokens` of one choice."""
        super().__init__(card, caller, spec, clock)
        self.max_output_tokens = max_output_tokens
        self.codec = codec
        self.speed = OutputSpeed()

    def begin(self, request: GenerateRequest) -> "ProviderCall":
        return ProviderCall(self, request)

    async def generate(self, request: GenerateRequest) -> Completion:
        return await ProviderCall(self, request).generate()

    def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        return ProviderCall(self, request).stream()


class ProviderCall:
    """One call of a ProviderModel; implements `ModelCall`."""

    __slots__ = ("_attempts", "_id", "_model", "_request", "_wire")

    def __init__(self, model: ProviderModel, request: GenerateRequest) -> None:
        self._model = model
        self._request = request
        self._wire: CompletionCall | None = None
        self._id = f"{_PROCESS_ID}-{next(_call_numbers):x}"
        self._attempts: list[UnaryUpstreamAttempt | StreamUpstreamAttempt] = []

    async def generate(self) -> Completion:
        model, request = self._model, self._request
        self._wire = CompletionCall(model.codec, request, streams=False)
        began = model.now()
        completion: Completion = await model.calls.run(
            self._id, request.timeout_s, self._send_unary
        )
        model.speed.observe(completion.usage.completion_tokens / request.n, model.now() - began)
        return completion

    async def stream(self, relay: TextRelay | None = None) -> AsyncGenerator[Chunk, None]:
        """All of it in chunks."""
        model, request = self._model, self._request
        self._wire = CompletionCall(model.codec, request, streams=True)
        attempt: StreamUpstreamAttempt
        attempt, first = await model.calls.run(self._id, request.timeout_s, self._send_stream)
        first_s = model.now() - attempt.sent_at
        failure: Problem | None = None
        try:
            if first is not None:
                yield first
            async for chunk in attempt:
                yield chunk
            attempt.ended = True
        except Problem as problem:
            failure = problem
            raise
        finally:
            if not attempt.ended:
                attempt.cancel()
            model.calls.attempts.stream_ended(attempt, failure, first_s)

    @property
    def provider(self) -> str:
        return self._model.codec.provider

    def attempts_made(self) -> tuple[MadeAttempt, ...]:
        """Implements `ReportsAttempts`."""
        return tuple(
            MadeAttempt(attempt.sent_at, attempt.upstream, *(attempt.ending or ()))
            for attempt in self._attempts
        )

    def settlement(self) -> Awaitable[TokenUsage] | None:
        """None where nothing was sent."""
        sent = [attempt for attempt in self._attempts if attempt.was_sent]
        return self._settle(sent, self._model.now()) if sent else None

    def _send_unary(self, call: str, timeout_s: float) -> Attempt[Any]:
        assert self._wire is not None
        patience_s = min(timeout_s, self._request.patience_s)
        attempt = self._model.caller.unary(self._wire, call, timeout_s, patience_s)
        self._attempts.append(attempt)
        return attempt

    def _send_stream(self, call: str, timeout_s: float) -> Attempt[Any]:
        assert self._wire is not None
        patience_s = min(timeout_s, self._request.patience_s)
        attempt = self._model.caller.stream(self._wire, call, timeout_s, patience_s)
        self._attempts.append(attempt)
        return attempt

    async def _settle(self, sent: list[Any], now: float) -> TokenUsage:
        """The estimated usage of the attempt that got furthest."""
        request = self._request
        tokens = max([self._tokens(attempt, now) for attempt in sent])
        prompt = estimated_tokens(prompt_bytes(request))
        return TokenUsage(prompt, tokens, is_estimated=True)

    def _tokens(self, attempt: UnaryUpstreamAttempt | StreamUpstreamAttempt, now: float) -> int:
        """Never more than the request allows."""
        request = self._request
        if isinstance(attempt, StreamUpstreamAttempt):
            tokens = attempt.tokens
        else:
            tokens = request.n * self._model.speed.tokens(now - attempt.sent_at)
        limit, cap = request.sampling.max_tokens, self._model.max_output_tokens
        return min(tokens, request.n * (cap if limit is None else min(limit, cap)))
