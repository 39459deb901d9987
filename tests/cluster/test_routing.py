"""How calls are spread over the replicas of a model, by a real router of Serve in this process."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
import pytest_asyncio

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.spec import EjectionSpec, PolicyName, RoutingSpec
from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.polling import eventually
from tests.cluster.routed import APP, REPLICAS, Trio, deploy

# One loop for all modules that call handles here: Serve binds its client to the first it meets.
pytestmark = pytest.mark.asyncio(loop_scope="session")

# On a busy machine any replica is silent for a while; one is left out only where a test needs it.
NO_EJECTION = EjectionSpec(enabled=False)
EJECTION = EjectionSpec(silence_s=0.5, base_s=0.5)


@pytest.fixture(scope="module")
def deployed(cluster: LocalServe) -> Iterator[None]:
    from ray import serve

    deploy(cluster, RoutingSpec(ejection=NO_EJECTION))
    yield
    serve.delete(APP, _blocking=False)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trio(deployed: None) -> Trio:
    trio = Trio()
    await trio.wait_for_links()
    return trio


def choose(fleet: ReplicaSet, policy: PolicyName, ejection: EjectionSpec = NO_EJECTION) -> None:
    fleet.configure(RoutingSpec(policy=policy, ejection=ejection), pings=True)


@pytest.mark.parametrize("policy", ["least-requests", "least-tokens", "round-robin", "weighted"])
async def test_requests_are_spread_evenly(trio: Trio, policy: PolicyName) -> None:
    choose(trio.fleet, policy)
    assert set((await trio.asks(60)).values()) == {20}


async def test_similar_response_times_exclude_no_replica(trio: Trio) -> None:
    """A slow moment counts for a while only."""
    choose(trio.fleet, "least-time", EJECTION)

    async def all_are_asked() -> bool:
        return len(await trio.asks(60)) == REPLICAS

    await eventually(all_are_asked)


async def test_equal_beginnings_stay_on_one_replica(trio: Trio) -> None:
    choose(trio.fleet, "prefix")
    homes = {number: await trio.ask(f"beginning {number}") for number in range(30)}
    assert len(set(homes.values())) == REPLICAS
    stayed = 0
    for _ in range(5):
        replicas = [await trio.ask(f"beginning {number}") for number in homes]
        stayed += sum(home == now for home, now in zip(homes.values(), replicas, strict=True))
    assert stayed >= 0.9 * 150


async def test_no_request_stays_outstanding(trio: Trio) -> None:
    await eventually(lambda: not any(each.requests for each in trio.fleet.statuses().values()))


async def test_a_stopped_replica_gets_no_requests_until_it_is_back(trio: Trio) -> None:
    choose(trio.fleet, "least-requests", EJECTION)
    await trio.wait_for_links()
    name, pid = trio.process()
    os.kill(pid, signal.SIGSTOP)
    try:
        load = asyncio.create_task(trio.asks(30))
        await eventually(lambda: because(trio.fleet, name) == "silent", timeout_s=60)
        await load
        assert name not in await trio.asks(30)
    finally:
        os.kill(pid, signal.SIGCONT)

    async def back() -> bool:
        await trio.asks(6)
        return because(trio.fleet, name) == ""

    await eventually(back, timeout_s=60)
    choose(trio.fleet, "least-requests")
    assert (await trio.asks(30))[name] >= 8


def because(fleet: ReplicaSet, name: str) -> str:
    status = fleet.statuses().get(name)
    return "not running" if status is None else status.ejected_because
