"""Links to the replicas of a real deployment: kept, lost, opened anew, and left when they drain."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio

from cluster.balancing.spec import EjectionSpec, RoutingSpec
from cluster.resilience.failure_class import ReplicaLost
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import SystemClock
from deployments.clients.link.options import LinkOptions
from deployments.contracts.generation import GenerateRequest, Message, Sampling
from graphs.options import model_name
from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.polling import eventually
from tests.cluster.routed import CALLER, REPLICAS, Trio, deploy, processes

# One loop for all modules that call handles here: Serve binds its client to the first it meets.
pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUTING = RoutingSpec(policy="round-robin", ejection=EjectionSpec(silence_s=1.0))
APP, MODEL = "linked", "linked"
PACE = {"tokens_per_second": 20}
REQUEST = GenerateRequest(
    "id", CALLER, MODEL, Sampling(max_tokens=60, temperature=0.0), timeout_s=30.0
)
LONG = replace(REQUEST, messages=(Message("user", "word " * 60),))
SHORT = replace(REQUEST, messages=(Message("user", "word"),), sampling=Sampling(max_tokens=2))


@pytest.fixture(scope="module")
def deployed(cluster: LocalServe) -> Iterator[None]:
    from ray import serve

    deploy(cluster, ROUTING, APP, MODEL, **PACE)
    yield
    serve.delete(APP, _blocking=False)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trio(deployed: None) -> AsyncIterator[Trio]:
    trio = Trio(APP, MODEL)
    await trio.model.card()
    await trio.wait_for_links()
    yield trio
    await trio.model.close()


async def test_calls_and_streams_go_over_links(trio: Trio) -> None:
    before = trio.link_stats().by_handle
    assert set((await trio.asks(30)).values()) == {10}
    assert len([chunk async for chunk in trio.model.stream(SHORT)]) >= 1
    assert trio.link_stats().by_handle == before


async def test_a_caller_that_leaves_frees_its_replica(trio: Trio) -> None:
    calls = [asyncio.create_task(trio.model.generate(LONG)) for _ in range(30)]
    await eventually(lambda: outstanding(trio) == 30)
    for call in calls:
        call.cancel()
    await eventually(lambda: outstanding(trio) == 0)

    async def idle() -> bool:
        return (await trio.model.load()).handlers == 0

    await eventually(idle)


async def test_a_killed_replica_breaks_its_streams_in_band_and_no_whole_answer(trio: Trio) -> None:
    streams = [trio.model.stream(LONG) for _ in range(REPLICAS)]
    for stream in streams:
        await anext(stream)
    whole = [asyncio.create_task(trio.model.generate(LONG)) for _ in range(12)]
    await eventually(lambda: outstanding(trio) == 12 + REPLICAS)
    os.kill(trio.process()[1], signal.SIGKILL)
    ends = await asyncio.gather(*map(drain, streams), return_exceptions=True)
    assert [type(end) for end in ends if isinstance(end, BaseException)] == [ReplicaLost]
    assert all(await asyncio.gather(*whole))
    await trio.wait_for_links()


async def test_a_stopped_replica_holds_no_call_beyond_its_deadline(trio: Trio) -> None:
    _, pid = trio.process()
    os.kill(pid, signal.SIGSTOP)
    try:
        found = await asyncio.gather(*(trio.model.generate(SHORT) for _ in range(12)))
        assert len(found) == 12
    finally:
        os.kill(pid, signal.SIGCONT)
    await trio.wait_for_links()


async def test_a_rolling_update_under_load_loses_nothing_and_leaves_no_replica(
    cluster: LocalServe, trio: Trio
) -> None:
    """A replica does not know that it drains: its links must end, or it would stay for the whole
    grace."""
    old = set(processes(APP, MODEL))
    ended = asyncio.Event()

    async def ask() -> int:
        answered = 0
        while not ended.is_set():
            assert await trio.model.generate(SHORT)
            answered += 1
        return answered

    load = [asyncio.create_task(ask()) for _ in range(6)]
    await asyncio.to_thread(deploy, cluster, ROUTING, APP, MODEL, **PACE, max_waiting=100)
    await eventually(lambda: not old & set(processes(APP, MODEL)), timeout_s=60)
    ended.set()
    assert min(await asyncio.gather(*load)) > 0
    await trio.wait_for_links()


async def test_without_a_way_to_the_port_handles_carry_the_calls(
    trio: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import serve

    from deployments.clients.link.replica_link import ReplicaLink
    from deployments.clients.serve.backends import text_client

    async def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(ReplicaLink, "_connect", refuse)
    handle = serve.get_deployment_handle(model_name(MODEL), APP)
    other = text_client(MODEL, handle, ResilienceSpec(), SystemClock(), LinkOptions())
    for _ in range(6):
        assert await other.generate(SHORT)
    found = other.link_stats()
    assert found is not None
    assert (found.links, found.by_handle) == (0, 6)
    await other.close()


async def test_an_ingress_replica_calls_its_models_over_links(cluster: LocalServe) -> None:
    headers = {"Authorization": f"Bearer {cluster.key}"}
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}

    async def over_links() -> bool:
        async with httpx.AsyncClient(base_url=cluster.url, headers=headers) as client:
            response = await client.post("/v1/chat/completions", json=body)
            assert response.status_code == 200
            told = (await client.get("/health")).json()["models"]["echo"]["calls"]["links"]
        return told["links"] == 1

    await eventually(over_links, timeout_s=20)


def outstanding(trio: Trio) -> int:
    return sum(status.requests for status in trio.fleet.statuses().values())


async def drain(stream: AsyncIterator[object]) -> int:
    return len([chunk async for chunk in stream])
