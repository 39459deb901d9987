"""One hop to a shard: bounded in time, cancelled when over, and every failure a TierDown."""

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from ray.exceptions import ActorUnavailableError, RayTaskError  # noqa: TID251
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError  # noqa: TID251

from deployments.cache.deployment import CacheShard
from deployments.clients.serve.cache_client import CacheClient
from deployments.contracts.cache import (
    KEY_BYTES,
    FollowResult,
    LeaseAcquired,
    LeaseHeldElsewhere,
    TierUnavailable,
)

KEY = bytes(range(KEY_BYTES))


class Response:
    """As Serve's: awaitable, and can be cancelled."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self.cancelled = False

    def __await__(self) -> Any:
        return self._call().__await__()

    def cancel(self) -> None:
        self.cancelled = True


class Handle:
    """Leads to a replica in this process; what crosses is pickled, as it would be."""

    def __init__(self) -> None:
        self.replica = CacheShard(1 << 20)
        self.optioned = 0
        self.failure: BaseException | None = None
        self.hanging = False
        self.responses: list[Response] = []

    def options(self, **options: str) -> "Handle":
        assert set(options.values()) == {"pickle"}
        self.optioned += 1
        return self

    def __getattr__(self, name: str) -> Any:
        return _Method(self, name)


class _Method:
    def __init__(self, handle: Handle, name: str) -> None:
        self._handle, self._name = handle, name

    def remote(self, *arguments: Any) -> Response:
        async def call() -> Any:
            if self._handle.hanging:
                await asyncio.Event().wait()
            if self._handle.failure is not None:
                raise self._handle.failure
            method = getattr(self._handle.replica, self._name)
            return _crossed(await method(*_crossed(arguments)))

        self._handle.responses.append(Response(call))
        return self._handle.responses[-1]


def _crossed(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # as the hop does with our own values


@pytest.fixture
def handle() -> Handle:
    return Handle()


@pytest.fixture
def cache(handle: Handle) -> CacheClient:
    return CacheClient([handle], timeout_s=0.05)


async def test_every_call_crosses_and_comes_back(cache: CacheClient, handle: Handle) -> None:
    found = await cache.get_or_lease(KEY, 60.0)
    assert isinstance(found, LeaseAcquired)
    assert await cache.get_or_lease(KEY, 60.0) == LeaseHeldElsewhere(found.token)
    assert await cache.publish(KEY, found.token, [b"one"], 60.0) == 0
    assert await cache.follow(KEY, found.token, 0, 1.0) == FollowResult("running", (b"one",))
    assert await cache.store(KEY, found.token, b"answer", 60.0)
    assert await cache.get(KEY) == await cache.get_or_lease(KEY, 60.0) == b"answer"
    await cache.remove(KEY)
    await cache.put(KEY, b"other", 60.0)
    assert await cache.get(KEY) == b"other"
    assert (await handle.replica.figures())["entries"] == 1


async def test_handles_are_made_once(cache: CacheClient, handle: Handle) -> None:
    await cache.warm_up()
    for _ in range(10):
        await cache.get(KEY)

    assert handle.optioned == 1


async def test_a_call_without_an_answer_ends_and_is_cancelled(
    cache: CacheClient, handle: Handle
) -> None:
    handle.hanging = True

    with pytest.raises(TierUnavailable, match="no answer"):
        await cache.get_or_lease(KEY, 60.0)
    assert handle.responses[-1].cancelled
    assert cache.figures()["errors"] == 1


async def test_a_caller_who_leaves_takes_the_call_along(cache: CacheClient, handle: Handle) -> None:
    handle.hanging = True
    call = asyncio.create_task(cache.get(KEY))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])

    assert call.cancelled()
    assert handle.responses[-1].cancelled
    assert cache.figures()["errors"] == 0


async def test_a_follower_may_wait_longer_than_a_call_takes(cache: CacheClient) -> None:
    found = await cache.get_or_lease(KEY, 60.0)
    assert isinstance(found, LeaseAcquired)

    assert await cache.follow(KEY, found.token, 0, 0.15) == FollowResult("running")


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(ActorUnavailableError("away", b"0" * 16), id="replica died"),
        pytest.param(RayTaskError("get", "trace", ValueError("broken")), id="replica failed"),
        pytest.param(BackPressureError(1, 1), id="queue is full"),
        pytest.param(DeploymentUnavailableError(None), id="deployment is not up"),
        pytest.param(grpc.RpcError("too long"), id="gRPC refused"),
        pytest.param(RuntimeError("Unexpected error"), id="Serve does not know"),
    ],
)
async def test_every_failure_of_the_hop_is_a_tier_that_is_down(
    cache: CacheClient, handle: Handle, failure: BaseException
) -> None:
    handle.failure = failure

    with pytest.raises(TierUnavailable):
        await cache.get(KEY)
    await cache.warm_up()
