"""Links over a network that cuts, delays and stalls; readers and callers that do not behave.

What must hold: nothing hangs past its deadline, no replica keeps a call that nobody waits for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from cluster.resilience.failure_class import ReplicaLost
from cluster.runtime.problems import DeadlineExceeded, ModelFailed, Problem
from deployments.clients.link.framing import HEADER, VERSION
from deployments.clients.link.options import LinkOptions
from tests.cluster.polling import eventually
from tests.contract.links.faulty_network import Network
from tests.contract.links.linked_models import LinkedModel
from tests.contract.links.scripted_replica import request

QUICK = LinkOptions(ping_s=0.05, silence_s=0.3, setup_s=2.0)


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    network = Network()
    yield network
    await network.close()


async def through(network: Network, *names: str, **more: Any) -> LinkedModel:
    """A model whose links lead through the network."""
    model = LinkedModel(*names, **more)
    for name in names:
        await network.join_link(model, name)
    await model.start()
    return model


@pytest.mark.parametrize(
    "left",
    [
        *(0, 1, 4, 5, 30, 200, 333, 400, 500, 777, 1000, 1500),
        *(pytest.param(left, marks=pytest.mark.exhaustive) for left in range(6, 2000, 23)),
    ],
)
async def test_wherever_links_are_cut_every_call_ends(network: Network, left: int) -> None:
    """Also in the middle of a frame. What was not answered is sent again; streams break in-band."""
    model = await through(network, "a", "b")
    try:
        network.left = left
        calls = [model.text.generate(request(f"call {number}")) for number in range(3)]
        streams = [read(model, "40 words") for _ in range(3)]
        found = await asyncio.gather(*calls, *streams, return_exceptions=True)
        assert all(not isinstance(each, BaseException) for each in found[:3])
        broken = [each for each in found[3:] if isinstance(each, BaseException)]
        assert {type(each) for each in broken} <= {ReplicaLost}
        network.left = None
        network.cut()
        await eventually(lambda: model.running == model.outstanding == 0)
        await eventually(lambda: model.pool.stats().links == 2)
    finally:
        await model.close()


async def read(model: LinkedModel, prompt: str, timeout_s: float = 20.0) -> str:
    return "".join([c.text async for c in model.text.stream(request(prompt, timeout_s))])


@pytest.mark.parametrize(
    "delay_s", [0.001, 0.05, 0.3, pytest.param(2.0, marks=pytest.mark.exhaustive)]
)
async def test_a_slow_network_only_delays(network: Network, delay_s: float) -> None:
    model = await through(network, "a")
    network.delay_s = delay_s
    try:
        found = await asyncio.gather(
            *(model.text.generate(request("hello")) for _ in range(10)), read(model, "600 words")
        )
        assert found[-1].endswith("599 a")
        await eventually(lambda: model.running == model.outstanding == 0)
    finally:
        await model.close()


async def test_nothing_waits_for_a_network_beyond_its_deadline(network: Network) -> None:
    model = await through(network, "a", retries=0)
    network.delay_s = 2.0
    try:
        calls = [model.text.generate(request("hello", timeout_s=0.1)) for _ in range(20)]
        streams = [read(model, "5 words", timeout_s=0.1) for _ in range(20)]
        found = await asyncio.gather(*calls, *streams, return_exceptions=True)
        assert all(isinstance(each, DeadlineExceeded) for each in found)
        await eventually(lambda: model.running == model.outstanding == 0)
    finally:
        await model.close()


async def test_a_replica_that_stops_is_noticed_and_linked_again_when_it_goes_on(
    network: Network,
) -> None:
    """As SIGSTOP and SIGCONT: the connection stays, and nothing passes."""
    model = await through(network, "a", ours=QUICK, retries=0)
    try:
        chunks = model.text.stream(request("3 words then hang"))
        for _ in range(3):
            await anext(chunks)
        calling = asyncio.create_task(model.text.generate(request("hang")))
        await eventually(lambda: model.running == 2)
        network.flowing.clear()
        with pytest.raises(ReplicaLost):
            await anext(chunks)
        with pytest.raises(Problem):
            await calling
        await eventually(lambda: model.running == model.outstanding == 0)
        network.flowing.set()
        await eventually(lambda: model.pool.stats().links == 1, timeout_s=20)
        before = model.pool.by_handle
        await model.text.generate(request("hello"))
        assert model.pool.by_handle == before
    finally:
        await model.close()


async def test_a_call_that_a_stopped_replica_does_not_take_goes_to_another(
    network: Network,
) -> None:
    """Long before the link itself is given up."""
    model = LinkedModel("a", "b", silence_s=0.3)
    await network.join_link(model, "a")
    await model.start()
    try:
        network.flowing.clear()
        found = [await model.text.generate(request("hello")) for _ in range(2)]
        assert [completion.choices[0].text for completion in found] == ["b: hello"] * 2
        assert model.fleet.statuses()["a"].ejected_because == "silent"
    finally:
        network.flowing.set()
        await model.close()


async def test_a_reader_that_stops_holds_up_its_own_stream_only() -> None:
    window = 16
    model = LinkedModel("a", ours=LinkOptions(window=window))
    await model.start()
    try:
        slow = model.text.stream(request("1000 words"))
        assert (await anext(slow)).text == "0 "
        await eventually(lambda: model.replicas["a"].given >= window)
        assert (await read(model, "500 words")).endswith("499 a")
        assert await model.text.generate(request("hello"))
        ahead = model.replicas["a"].given - 500
        assert ahead <= 2 * window
        rest = [chunk.text async for chunk in slow]
        assert rest == [*(f"{number} " for number in range(1, 1000)), "a"]
    finally:
        await model.close()


async def test_a_reader_that_does_not_come_back_frees_the_replica_at_the_deadline() -> None:
    model = LinkedModel("a", ours=LinkOptions(window=4))
    await model.start()
    try:
        slow = model.text.stream(request("1000 words", timeout_s=0.2))
        await anext(slow)
        await eventually(lambda: model.running == model.outstanding == 0)
        with pytest.raises(DeadlineExceeded):
            [chunk async for chunk in slow]
    finally:
        await model.close()


async def test_a_replica_ends_calls_that_are_over_though_nobody_can_tell_it(
    network: Network,
) -> None:
    """The cancellation is held up on its way, and the method does not keep its deadline."""
    options = LinkOptions(ping_s=0.05, silence_s=60.0)
    model = await through(network, "a", ours=options, retries=0)
    try:
        calling = asyncio.create_task(model.text.generate(request("hang", timeout_s=0.3)))
        await eventually(lambda: model.running == 1)
        network.flowing.clear()
        with pytest.raises(DeadlineExceeded):
            await calling
        assert model.running == 1
        await eventually(lambda: model.running == 0)
        assert model.endpoints["a"].offers == 1
    finally:
        await model.close()


async def test_a_peer_that_does_not_read_costs_a_bounded_amount_of_memory() -> None:
    options = LinkOptions(max_unsent=100_000)
    model = LinkedModel("a", ours=options, retries=0)
    await model.start()
    try:
        connection = model.pool.find("a")
        assert connection is not None
        transport = connection._transport
        assert transport is not None
        transport.pause_reading()
        calls = [asyncio.create_task(model.text.generate(request("long"))) for _ in range(2000)]
        await eventually(lambda: model.endpoints["a"].offers == 0, timeout_s=30)
        transport.resume_reading()
        await asyncio.gather(*calls, return_exceptions=True)
        await eventually(lambda: model.running == model.outstanding == 0)
    finally:
        await model.close()


async def test_every_one_of_a_thousand_callers_that_leave_is_noticed() -> None:
    model = LinkedModel("a", "b")
    await model.start()
    try:
        calls = [asyncio.create_task(model.text.generate(request("hang"))) for _ in range(500)]
        calls += [
            asyncio.create_task(read(model, "2 words then hang"))  # type: ignore[arg-type]
            for _ in range(500)
        ]
        await eventually(lambda: model.running == 1000)
        for call in calls:
            call.cancel()
        await eventually(lambda: model.cancelled == 1000)
        assert model.running == model.outstanding == 0
    finally:
        await model.close()


async def test_an_answer_that_is_too_large_fails_alone() -> None:
    model = LinkedModel("a", ours=LinkOptions(max_payload=4096))
    await model.start()
    try:
        waiting = asyncio.create_task(model.text.generate(request("hang")))
        with pytest.raises(ModelFailed) as raised:
            await model.text.generate(request("long"))
        assert not isinstance(raised.value, ReplicaLost)
        assert not waiting.done()
        waiting.cancel()
        assert model.pool.stats().links == 1
    finally:
        await model.close()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: replica\r\n\r\n",
        HEADER.pack(5, VERSION) + b"\x91\x01\x00\x00\x00",
        HEADER.pack(2**31, VERSION),
        HEADER.pack(10, VERSION + 1) + b"x" * 10,
        b"",
    ],
)
async def test_a_stranger_is_shown_the_door_and_disturbs_nobody(said: bytes) -> None:
    model = LinkedModel("a", ours=LinkOptions(setup_s=0.5))
    await model.start()
    try:
        port = model.endpoints["a"]._port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        calling = asyncio.create_task(model.text.generate(request("hello")))
        told = await asyncio.wait_for(reader.read(), 10)
        assert len(told) < 200
        writer.close()
        assert await calling
        with suppress(OSError):
            await writer.wait_closed()
        assert model.pool.stats().links == 1
    finally:
        await model.close()
