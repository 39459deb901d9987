"""The one caller of Serve handles to models.

Flows in: a GenerateRequest. Flows out: the replica's answer or chunks, within the deadline, with
Ray's failures as problems; another replica's where one fails before anything was answered. Leaving
a call in the middle cancels it on the replica.
"""

from collections.abc import AsyncGenerator

from ray.serve.handle import DeploymentHandle

from cluster.clock import Clock
from cluster.problems import Problem
from cluster.resilience.spec import ResilienceSpec
from cluster.routing.fleet import Fleet
from deployments.contracts.generation import Chunk, Completion, GenerateRequest
from deployments.remote_attempts import REMOTE, StreamAttempt, UnaryAttempt
from deployments.remote_served import PICKLED, RemoteServed


class RemoteModel(RemoteServed):
    """A ServedModel on the far side of a handle."""

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        fleet: Fleet,
        spec: ResilienceSpec,
        clock: Clock,
    ) -> None:
        super().__init__(model, handle, fleet, spec, clock)
        self._generate = handle.options(**PICKLED).generate
        self._stream = handle.options(stream=True, **PICKLED).stream

    async def generate(self, request: GenerateRequest) -> Completion:
        def send(call: str, left_s: float) -> UnaryAttempt[Completion]:
            asked = _asked(request, call, left_s)
            response = self._generate.remote(asked)
            return UnaryAttempt(self._model, response, call, left_s, self._now(), asked.patience_s)

        return await self._calls.run(request.request_id, request.timeout_s, send)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        def send(call: str, left_s: float) -> StreamAttempt[Chunk]:
            asked = _asked(request, call, left_s)
            response = self._stream.remote(asked)
            return StreamAttempt(self._model, response, call, left_s, self._now(), asked.patience_s)

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


def _asked(request: GenerateRequest, call: str, left_s: float) -> GenerateRequest:
    """The request as this attempt sends it: a first one as it came."""
    if call == request.request_id:
        return request
    return request.resent(call, request.model, left_s)
