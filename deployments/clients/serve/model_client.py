"""The one caller of Serve handles to models.

Flows in: a GenerateRequest. Flows out: the replica's answer or chunks, within the deadline, with
Ray's failures as problems; another replica's where one fails before anything was answered. Leaving
a call in the middle cancels it on the replica, which says afterwards what it has used.
"""

import asyncio
import itertools
import uuid
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import replace

from ray.serve.handle import DeploymentHandle

from cluster.balancing.replica_set import ReplicaSet
from cluster.resilience.ray_errors import from_ray
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import DeadlineExceeded, Problem
from deployments.clients.serve.attempts import REMOTE, StreamAttempt, UnaryAttempt
from deployments.clients.serve.served_client import PICKLED, ServedModelClient
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    SettleRequest,
    TokenUsage,
)

_PROCESS = uuid.uuid4().hex[:12]
_numbers = itertools.count(1)
_SETTLING_S = 10.0  # a replica answers within 5 s


class RemoteModel(ServedModelClient):
    """A ServedModel on the far side of a handle."""

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        fleet: ReplicaSet,
        spec: ResilienceSpec,
        clock: Clock,
    ) -> None:
        super().__init__(model, handle, fleet, spec, clock)
        self._generate = handle.options(**PICKLED).generate
        self._stream = handle.options(stream=True, **PICKLED).stream
        self._settle = handle.options(**PICKLED).settle

    def begin(self, request: GenerateRequest) -> "RemoteCall":
        """A call that can be asked, when it was given up, what it has used."""
        return RemoteCall(self, request)

    async def generate(self, request: GenerateRequest) -> Completion:
        return await self.begin(request).generate()

    def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        return self.begin(request).stream()


class RemoteCall:
    """One call of a RemoteModel; a ModelCall."""

    __slots__ = ("_attempts", "_id", "_model", "_request")

    def __init__(self, model: RemoteModel, request: GenerateRequest) -> None:
        self._model = model
        self._request = request
        self._id = f"{_PROCESS}-{next(_numbers):x}"
        self._attempts: list[UnaryAttempt[Completion] | StreamAttempt[Chunk]] = []

    async def generate(self) -> Completion:
        model, request = self._model, self._request

        def send(call: str, left_s: float) -> UnaryAttempt[Completion]:
            asked = _asked(request, call, left_s)
            response = model._generate.remote(asked)
            attempt: UnaryAttempt[Completion] = UnaryAttempt(
                model._model, response, call, left_s, model._now(), asked.patience_s
            )
            self._attempts.append(attempt)
            return attempt

        return await model._calls.run(self._id, request.timeout_s, send)

    async def stream(self) -> AsyncGenerator[Chunk, None]:
        model, request = self._model, self._request

        def send(call: str, left_s: float) -> StreamAttempt[Chunk]:
            asked = _asked(request, call, left_s)
            response = model._stream.remote(asked)
            attempt: StreamAttempt[Chunk] = StreamAttempt(
                model._model, response, call, left_s, model._now(), asked.patience_s
            )
            self._attempts.append(attempt)
            return attempt

        attempt, first = await model._calls.run(self._id, request.timeout_s, send)
        first_s = model._now() - attempt.sent_at
        failed: Problem | None = None
        try:
            if first is not None:
                yield first
            async for chunk in attempt.response:
                if isinstance(chunk, Problem):
                    raise chunk
                yield chunk
            attempt.ended = True
        except REMOTE as error:
            failed = attempt.problem(error)
            raise failed from None
        except Problem as problem:
            failed = problem
            raise
        finally:
            if not attempt.ended and failed is None:
                attempt.cancel()
            model._calls.attempts.stream_ended(attempt, failed, first_s)

    def settlement(self) -> Awaitable[TokenUsage] | None:
        return self._settled() if self._attempts else None

    async def _settled(self) -> TokenUsage:
        """What the attempt that got furthest has used: further ones were our own choice."""
        found = [await self._usage(attempt) for attempt in self._attempts if attempt.replica]
        return max(found, key=lambda usage: usage.completion_tokens, default=TokenUsage())

    async def _usage(self, attempt: UnaryAttempt[Completion] | StreamAttempt[Chunk]) -> TokenUsage:
        model = self._model
        response = model._settle.remote(SettleRequest(attempt.replica or "", attempt.call))
        try:
            async with asyncio.timeout(_SETTLING_S):
                found: TokenUsage = await response
                return found
        except TimeoutError:
            response.cancel()
            raise DeadlineExceeded(model._model, _SETTLING_S) from None
        except REMOTE as error:
            raise from_ray(error, model._model) from None


def _asked(request: GenerateRequest, call: str, left_s: float) -> GenerateRequest:
    """The request as the attempt `call` sends it, when `left_s` is left."""
    return replace(request.resent(request.request_id, request.model, left_s), call=call)
