"""Calls over a handle that does as it is told: what becomes of Ray's own failures."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentResponseGenerator

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.replica_state import ReplicaInfo
from cluster.balancing.spec import RoutingSpec
from cluster.resilience.failure_class import ReplicaLost, Unavailable
from cluster.resilience.ray_errors import from_ray
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, ModelFailed
from cluster.tenants.caller import Caller
from deployments.clients.model_client import ModelClient
from deployments.clients.serve.attempts import StreamAttempt
from deployments.clients.serve.handle_caller import HandleCaller
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    Sampling,
    TokenUsage,
)

ANSWER = Completion((Choice(0, "hello", "stop"),), TokenUsage(1, 1), "m")
CHUNKS = (
    Chunk(0, "he", tokens=1, prompt_tokens=1),
    Chunk(0, "llo", "stop", usage=TokenUsage(1, 2)),
)
GONE = ActorUnavailableError("Actor is unavailable.", b"0" * 16)
REQUEST = GenerateRequest("call", Caller("t", "k", frozenset()), "m", Sampling(), prompt="hello")
HANGS = object()


class Response:
    """What `.remote()` gives: gives or raises these in turn."""

    def __init__(self, ends: Sequence[object]) -> None:
        self._ends = list(ends)
        self._replica_result_future: asyncio.Future[None] = asyncio.Future()
        self._replica_result = None
        self._cancelled = asyncio.Event()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        self._cancelled.set()

    def __await__(self) -> Any:
        return self._next().__await__()

    def __aiter__(self) -> "Response":
        return self

    async def __anext__(self) -> object:
        if not self._ends:
            raise StopAsyncIteration
        return await self._next()

    async def _next(self) -> object:
        end = self._ends.pop(0)
        if end is HANGS:
            await self._cancelled.wait()
            raise RequestCancelledError("call")
        if isinstance(end, BaseException) and not isinstance(end, InvalidRequest):
            raise end
        return end


@dataclass
class Handle:
    """Each call takes the next of `ends`."""

    ends: list[Sequence[object]]
    asked: list[GenerateRequest] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def options(self, **_: object) -> "Handle":
        return self

    @property
    def generate(self) -> "Handle":
        return self

    card = load = stream = settle = generate

    def remote(self, request: GenerateRequest) -> Response:
        self.asked.append(request)
        self.responses.append(Response(self.ends[len(self.asked) - 1]))
        return self.responses[-1]


def model(handle: Handle) -> ModelClient:
    fleet = ReplicaSet(RoutingSpec(), SystemClock())
    fleet.update([ReplicaInfo(name, "node", True, {}) for name in "abc"])
    methods, clock = ("generate", "settle"), SystemClock()
    caller = HandleCaller("m", handle, clock, methods=methods, streams=("stream",))  # type: ignore[arg-type]
    return ModelClient("m", caller, fleet, ResilienceSpec(), clock)


async def test_an_answer_is_what_the_replica_gave() -> None:
    handle = Handle([[ANSWER]])
    assert await model(handle).generate(REQUEST) is ANSWER
    assert handle.asked[0] == replace(REQUEST, call=handle.asked[0].call)
    assert handle.asked[0].call


@pytest.mark.parametrize("error", [GONE, ActorDiedError()])
async def test_a_replica_that_died_is_replaced_by_another(error: Exception) -> None:
    handle = Handle([[error], [ANSWER]])
    found = model(handle)
    assert await found.generate(REQUEST) is ANSWER
    first, second = (each.call for each in handle.asked)
    assert second == f"{first}~2"
    assert handle.asked[1].timeout_s <= REQUEST.timeout_s
    assert found.figures().retries == 1


async def test_a_replica_s_own_problem_is_raised_as_it_is() -> None:
    handle = Handle([[InvalidRequest("no")]])
    with pytest.raises(InvalidRequest):
        await model(handle).generate(REQUEST)


async def test_replicas_that_all_die_make_the_model_unavailable() -> None:
    with pytest.raises(Unavailable):
        await model(Handle([[GONE]] * 3)).generate(REQUEST)


async def test_a_deployment_that_serve_gave_up_is_unavailable_at_once() -> None:
    handle = Handle([[DeploymentUnavailableError(DeploymentID("m"))]])
    with pytest.raises(Unavailable):
        await model(handle).generate(REQUEST)
    assert len(handle.asked) == 1


async def test_a_call_that_hangs_ends_at_its_deadline_and_is_cancelled() -> None:
    handle = Handle([[HANGS]])
    late = GenerateRequest("c", REQUEST.caller, "m", Sampling(), prompt="hello", timeout_s=0.01)
    with pytest.raises(DeadlineExceeded):
        await model(handle).generate(late)
    with pytest.raises(DeadlineExceeded):
        await anext(model(Handle([[HANGS]])).stream(late))
    assert handle.responses[0].cancelled


async def test_a_stream_may_change_the_replica_before_its_first_chunk() -> None:
    handle = Handle([[GONE], CHUNKS])
    assert tuple([chunk async for chunk in model(handle).stream(REQUEST)]) == CHUNKS


async def test_a_stream_that_breaks_off_later_is_not_begun_anew() -> None:
    handle = Handle([[CHUNKS[0], GONE]])
    chunks = model(handle).stream(REQUEST)
    assert await anext(chunks) == CHUNKS[0]
    with pytest.raises(ReplicaLost) as lost:
        await anext(chunks)
    assert isinstance(lost.value, ModelFailed)
    assert len(handle.asked) == 1


async def test_a_stream_that_is_left_is_cancelled_and_one_that_ended_is_not() -> None:
    handle = Handle([CHUNKS, CHUNKS])
    found = model(handle)
    async with aclosing(found.stream(REQUEST)) as chunks:
        await anext(chunks)
    async for _ in found.stream(REQUEST):
        pass
    assert [response.cancelled for response in handle.responses] == [True, False]


async def test_an_error_of_ours_is_not_taken_for_one_of_ray() -> None:
    with pytest.raises(ZeroDivisionError):
        await model(Handle([[ZeroDivisionError()]])).generate(REQUEST)
    with pytest.raises(RuntimeError, match="a bug"):
        await model(Handle([[RuntimeError("a bug")]])).generate(REQUEST)


class CallError(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


@pytest.mark.parametrize(
    "error",
    [
        ActorDiedError(),
        ActorUnavailableError("Actor is unavailable.", b"0" * 16),
        RayActorError(),
        CallError(grpc.StatusCode.UNAVAILABLE),
        CallError(grpc.StatusCode.CANCELLED),
        RuntimeError("Unexpected error (StatusCode.UNAVAILABLE): Socket closed."),
    ],
)
def test_the_end_of_a_replica_is_a_lost_replica_whoever_says_it(error: Exception) -> None:
    assert isinstance(from_ray(error, "m"), ReplicaLost)


def test_an_answer_that_is_too_large_to_be_carried_is_no_lost_replica() -> None:
    found = from_ray(CallError(grpc.StatusCode.RESOURCE_EXHAUSTED), "m")
    assert isinstance(found, ModelFailed)
    assert not isinstance(found, ReplicaLost)


def test_a_bug_of_ours_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="ours"):
        from_ray(RuntimeError("ours"), "m")


async def test_a_call_that_a_replica_has_accepted_just_now_is_ended_with_its_caller() -> None:
    """Serve's own `cancel` knows a call only once it was fetched, a turn of the loop later."""

    class Accepted:
        cancelled = False

        def cancel(self) -> None:
            self.cancelled = True

    assigned: asyncio.Future[Any] = asyncio.Future()
    response = DeploymentResponseGenerator(assigned, None, False)  # type: ignore[arg-type]
    attempt: StreamAttempt[Chunk] = StreamAttempt("m", response, "call", 60.0, 0.0)
    calling = asyncio.create_task(attempt.answer())
    await asyncio.sleep(0)
    result = Accepted()
    assigned.set_result(result)
    calling.cancel()
    await asyncio.wait((calling,))
    attempt.cancel()
    assert result.cancelled
