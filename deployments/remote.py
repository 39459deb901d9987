"""The one caller of Serve handles to models.

Flows in: a GenerateRequest. Flows out: the replica's answer or chunks, within the deadline, with
Ray's failures as problems; another replica's where one fails before anything was answered. Leaving
a call in the middle cancels it on the replica.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace

from ray.serve.handle import DeploymentHandle

from cluster.clock import Clock
from cluster.problems import Problem
from cluster.resilience.calls import CallFigures, Calls
from cluster.resilience.failures import from_ray
from cluster.resilience.spec import ResilienceSpec
from cluster.routing.fleet import Fleet
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
)
from deployments.remote_attempts import REMOTE, StreamAttempt, UnaryAttempt

# Our values are plain classes of importable modules: cloudpickle, Serve's default, costs more.
_PICKLED = {"request_serialization": "pickle", "response_serialization": "pickle"}


class RemoteModel:
    """A ServedModel on the far side of a handle.

    Handles are made once: every `.options()` starts a metrics pusher and a long poll of its own.
    """

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        fleet: Fleet,
        spec: ResilienceSpec,
        clock: Clock,
    ) -> None:
        """`fleet` is that of the handle's deployment."""
        self._model = model
        self._generate = handle.options(**_PICKLED).generate
        self._card = handle.card
        self._load = handle.load
        self._stream = handle.options(stream=True, **_PICKLED).stream
        self._calls = Calls(model, spec, fleet, clock)
        self._now = clock.monotonic

    async def card(self) -> ModelCard:
        try:
            return await self._card.remote()
        except REMOTE as error:
            raise from_ray(error, self._model) from None

    async def load(self) -> ModelLoad:
        try:
            return await self._load.remote()
        except REMOTE as error:
            raise from_ray(error, self._model) from None

    async def generate(self, request: GenerateRequest) -> Completion:
        def send(call: str, left_s: float) -> UnaryAttempt[Completion]:
            response = self._generate.remote(_asked(request, call, left_s))
            return UnaryAttempt(self._model, response, call, left_s, self._now())

        return await self._calls.run(request.request_id, request.timeout_s, send)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        def send(call: str, left_s: float) -> StreamAttempt[Chunk]:
            response = self._stream.remote(_asked(request, call, left_s))
            return StreamAttempt(self._model, response, call, left_s, self._now())

        attempt, first = await self._calls.run(request.request_id, request.timeout_s, send)
        first_s = self._now() - attempt.sent_at
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
            self._calls.attempts.closed(attempt, failed, first_s)

    def figures(self) -> CallFigures:
        """How calls have gone, as this process has seen them."""
        return self._calls.figures()


def _asked(request: GenerateRequest, call: str, left_s: float) -> GenerateRequest:
    """The request as this attempt sends it: a first one as it came."""
    if call == request.request_id:
        return request
    return replace(request, request_id=call, timeout_s=left_s)
