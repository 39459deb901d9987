"""The clients of model deployments: text generation and embeddings over Serve handles.

Flows in: a GenerateRequest or an EmbedRequest. Flows out: a replica's response, chunks or vectors,
within the deadline, with Ray's failures as problems. Another replica is tried where one fails
before its first output. A caller that leaves cancels the call on the replica, which then reports
what the call used.
"""

import asyncio
import itertools
import uuid
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import replace

from ray.serve.handle import DeploymentHandle

from cluster.balancing.replica_set import ReplicaSet
from cluster.resilience.ray_errors import from_ray
from cluster.resilience.resilient_call import CallStats, ResilientCaller
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import DeadlineExceeded, Problem
from deployments.clients.serve.attempts import REMOTE_ERRORS, StreamAttempt, UnaryAttempt
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
    SettleRequest,
    TokenUsage,
)

# Our values are plain classes of importable modules: cloudpickle, Serve's default, is slower.
PICKLED = {"request_serialization": "pickle", "response_serialization": "pickle"}

_PROCESS_ID = uuid.uuid4().hex[:12]
_call_numbers = itertools.count(1)
_SETTLING_S = 10.0  # a replica answers within 5 s


class ServedModelClient:
    """What the clients of all kinds of model share.

    Handles are made once: every `.options()` starts a metrics pusher and a long poll of its own.
    `replicas` is the replica set of the handle's deployment.
    """

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        replicas: ReplicaSet,
        spec: ResilienceSpec,
        clock: Clock,
    ) -> None:
        self._model = model
        self._card = handle.card
        self._load = handle.load
        self._calls = ResilientCaller(model, spec, replicas, clock)
        self._now = clock.monotonic

    async def card(self) -> ModelCard:
        try:
            return await self._card.remote()
        except REMOTE_ERRORS as error:
            raise from_ray(error, self._model) from None

    async def load(self) -> ModelLoad:
        try:
            return await self._load.remote()
        except REMOTE_ERRORS as error:
            raise from_ray(error, self._model) from None

    def figures(self) -> CallStats:
        """The outcomes of this process's calls."""
        return self._calls.figures()


class EmbedderClient(ServedModelClient):
    """Implements `ServedEmbedder`."""

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        replicas: ReplicaSet,
        spec: ResilienceSpec,
        clock: Clock,
    ) -> None:
        super().__init__(model, handle, replicas, spec, clock)
        self._embed = handle.options(**PICKLED).embed

    async def embed(self, request: EmbedRequest) -> Embeddings:
        def send(call: str, timeout_s: float) -> UnaryAttempt[Embeddings]:
            sent = request
            if call != request.request_id:  # a further attempt
                sent = replace(request, request_id=call, timeout_s=timeout_s)
            response = self._embed.remote(sent)
            return UnaryAttempt(self._model, response, call, timeout_s, self._now())

        return await self._calls.run(request.request_id, request.timeout_s, send)


class ModelClient(ServedModelClient):
    """Implements `ServedModel` and `SettlingModel`."""

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        replicas: ReplicaSet,
        spec: ResilienceSpec,
        clock: Clock,
    ) -> None:
        super().__init__(model, handle, replicas, spec, clock)
        self._generate = handle.options(**PICKLED).generate
        self._stream = handle.options(stream=True, **PICKLED).stream
        self._settle = handle.options(**PICKLED).settle

    def begin(self, request: GenerateRequest) -> "ServeModelCall":
        """A call that reports its usage after it was abandoned."""
        return ServeModelCall(self, request)

    async def generate(self, request: GenerateRequest) -> Completion:
        return await self.begin(request).generate()

    def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        return self.begin(request).stream()


class ServeModelCall:
    """One call of a ModelClient; implements `ModelCall`."""

    __slots__ = ("_attempts", "_client", "_id", "_request")

    def __init__(self, client: ModelClient, request: GenerateRequest) -> None:
        self._client = client
        self._request = request
        self._id = f"{_PROCESS_ID}-{next(_call_numbers):x}"
        self._attempts: list[UnaryAttempt[Completion] | StreamAttempt[Chunk]] = []

    async def generate(self) -> Completion:
        client, request = self._client, self._request

        def send(call: str, timeout_s: float) -> UnaryAttempt[Completion]:
            sent = _attempt_request(request, call, timeout_s)
            response = client._generate.remote(sent)
            attempt: UnaryAttempt[Completion] = UnaryAttempt(
                client._model, response, call, timeout_s, client._now(), sent.patience_s
            )
            self._attempts.append(attempt)
            return attempt

        return await client._calls.run(self._id, request.timeout_s, send)

    async def stream(self) -> AsyncGenerator[Chunk, None]:
        client, request = self._client, self._request

        def send(call: str, timeout_s: float) -> StreamAttempt[Chunk]:
            sent = _attempt_request(request, call, timeout_s)
            response = client._stream.remote(sent)
            attempt: StreamAttempt[Chunk] = StreamAttempt(
                client._model, response, call, timeout_s, client._now(), sent.patience_s
            )
            self._attempts.append(attempt)
            return attempt

        attempt, first = await client._calls.run(self._id, request.timeout_s, send)
        first_s = client._now() - attempt.sent_at
        failure: Problem | None = None
        try:
            if first is not None:
                yield first
            async for chunk in attempt.response:
                if isinstance(chunk, Problem):
                    raise chunk
                yield chunk
            attempt.ended = True
        except REMOTE_ERRORS as error:
            failure = attempt.problem(error)
            raise failure from None
        except Problem as problem:
            failure = problem
            raise
        finally:
            if not attempt.ended and failure is None:
                attempt.cancel()
            client._calls.attempts.stream_ended(attempt, failure, first_s)

    def settlement(self) -> Awaitable[TokenUsage] | None:
        return self._settle() if self._attempts else None

    async def _settle(self) -> TokenUsage:
        """The usage of the attempt that got furthest: further ones were this client's choice."""
        usages = [await self._usage(attempt) for attempt in self._attempts if attempt.replica]
        return max(usages, key=lambda usage: usage.completion_tokens, default=TokenUsage())

    async def _usage(self, attempt: UnaryAttempt[Completion] | StreamAttempt[Chunk]) -> TokenUsage:
        client = self._client
        response = client._settle.remote(SettleRequest(attempt.replica or "", attempt.call))
        try:
            async with asyncio.timeout(_SETTLING_S):
                usage: TokenUsage = await response
                return usage
        except TimeoutError:
            response.cancel()
            raise DeadlineExceeded(client._model, _SETTLING_S) from None
        except REMOTE_ERRORS as error:
            raise from_ray(error, client._model) from None


def _attempt_request(request: GenerateRequest, call: str, timeout_s: float) -> GenerateRequest:
    """The request as the attempt `call` sends it, with `timeout_s` until the deadline."""
    return replace(request.resent(request.request_id, request.model, timeout_s), call=call)
