"""Calls of authority shards by Serve handle: every failure is an authority that is not there."""

import asyncio
from typing import Any

import grpc
import pytest
from ray.exceptions import ActorUnavailableError, RayTaskError  # noqa: TID251
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError  # noqa: TID251

from cluster.runtime.clock import SystemClock
from deployments.clients.serve.limiter_client import LimiterClient
from deployments.contracts.limits import AuthorityUnavailable
from deployments.limiter.deployment import LimiterPeer
from deployments.limiter.layout import ShardLayout

FAILURES = [
    ActorUnavailableError("died", None),
    RayTaskError("exchange", "traceback", ValueError("bad")),
    BackPressureError(1, 1),
    DeploymentUnavailableError.__new__(DeploymentUnavailableError),
    grpc.RpcError(),
    RuntimeError("Unexpected error (StatusCode.UNAVAILABLE): Socket closed."),
]


class FailingHandle:
    """Raises where the call is sent, or where its answer is awaited; None: it hangs, or it
    `answers`."""

    def __init__(
        self, failure: BaseException | None, *, at_once: bool = False, answers: bool = False
    ) -> None:
        self._failure, self._at_once, self._answers = failure, at_once, answers
        self.cancelled = 0

    def options(self, **_: object) -> "FailingHandle":
        return self

    def __getattr__(self, _: str) -> "FailingHandle":
        return self

    def remote(self, *_: object) -> "FailingHandle":
        if self._at_once and self._failure is not None:
            raise self._failure
        return self

    def __await__(self) -> Any:
        return self._answer().__await__()

    async def _answer(self) -> None:
        if self._answers:
            return
        if self._failure is None:
            await asyncio.Event().wait()
        else:
            raise self._failure

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_an_exchange_that_fails_has_no_authority(
    failure: BaseException, at_once: bool
) -> None:
    """Also one whose shard is replaced while it is under way."""
    handle: Any = FailingHandle(failure, at_once=at_once)
    client = LimiterClient(lambda _: handle, 1, SystemClock())

    await client.warm_up(timeout_s=1.0)
    with pytest.raises(AuthorityUnavailable):
        await client.locate("acme").exchange("r1", "", 1.0, ())


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_hand_over_that_fails_is_tried_again_by_its_caller(
    failure: BaseException, at_once: bool
) -> None:
    peer: Any = LimiterPeer(1)
    peer._handle = FailingHandle(failure, at_once=at_once)

    with pytest.raises(AuthorityUnavailable):
        await peer.hand_over(ShardLayout(1, 2), 0, "instance", 0)


async def test_an_exchange_that_is_late_is_cancelled() -> None:
    handle: Any = FailingHandle(None)
    client = LimiterClient(lambda _: handle, 1, SystemClock(), timeout_s=0.01)

    with pytest.raises(AuthorityUnavailable):
        await client.locate("acme").exchange("r1", "", 1.0, ())
    assert handle.cancelled == 1


async def test_shards_that_answer_are_counted_and_late_calls_cancelled() -> None:
    late, failing = FailingHandle(None), FailingHandle(FAILURES[0])
    handles: list[Any] = [late, failing, FailingHandle(None, answers=True)]
    client = LimiterClient(handles.__getitem__, 3, SystemClock())

    assert await client.count_answers(timeout_s=0.01) == (1, 3)
    assert late.cancelled == 1
