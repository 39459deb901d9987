"""Links to replicas in processes of their own that are stopped (SIGSTOP) and killed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Never

import pytest

from cluster.resilience.failure_class import ReplicaLost
from cluster.runtime.problems import DeadlineExceeded
from deployments.clients.link.options import LinkOptions
from deployments.contracts.generation import Chunk, GenerateRequest
from tests.cluster.polling import eventually
from tests.contract.links.linked_models import LinkedModel
from tests.contract.links.replica_process import ProcessOpening, ReplicaProcess
from tests.contract.links.scripted_replica import ScriptedReplica, request

QUICK = LinkOptions(ping_s=0.05, silence_s=0.5, setup_s=2.0)


class Unreachable(ScriptedReplica):
    """What a handle reaches in place of the process: nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.dead.set()

    async def generate(self, _: GenerateRequest) -> Never:
        await asyncio.Event().wait()
        raise AssertionError


class ProcessModel(LinkedModel):
    """A model whose replicas are processes."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names, ours=QUICK, silence_s=0.3, replica=Unreachable)
        self.processes = {name: ReplicaProcess(name) for name in names}

    def open_link(self, name: str) -> ProcessOpening:  # type: ignore[override]
        return self.processes[name].open_link()

    async def answers(self) -> list[str]:
        """Of six requests: the replicas that gave them."""
        completions = await asyncio.gather(
            *(self.text.generate(request("hello")) for _ in range(6))
        )
        return [whole.choices[0].text.split(":")[0] for whole in completions]


@pytest.fixture
async def model() -> AsyncIterator[ProcessModel]:
    model = ProcessModel("a", "b")
    await asyncio.gather(*(process.start() for process in model.processes.values()))
    await model.start()
    yield model
    await model.close()
    for process in model.processes.values():
        await process.close()


async def opened_streams(model: ProcessModel, number: int) -> list[asyncio.Task[Chunk]]:
    """Streams of which the next chunk never comes by itself; half of them at each replica."""
    streams = [model.text.stream(request("3 words then hang")) for _ in range(number)]
    for chunks in streams:
        for _ in range(3):
            await anext(chunks)
    return [asyncio.create_task(last_of(chunks)) for chunks in streams]


async def last_of(chunks: AsyncGenerator[Chunk, None]) -> Chunk:
    async with aclosing(chunks):
        return await anext(chunks)


def ends(tasks: list[asyncio.Task[Chunk]]) -> list[type[BaseException]]:
    return [type(task.exception()) for task in tasks if task.done()]


async def give_up(tasks: list[asyncio.Task[Chunk]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_stopped_replica_holds_no_call_beyond_its_deadline_and_no_slot_when_it_goes_on(
    model: ProcessModel,
) -> None:
    assert set(await model.answers()) == {"a", "b"}
    streams = await opened_streams(model, 4)
    hanging = request("hang", timeout_s=2.0)
    waiting = [asyncio.create_task(model.text.generate(hanging)) for _ in range(4)]
    await eventually(lambda: model.outstanding == 8)
    model.processes["a"].stop()

    assert set(await model.answers()) == {"b"}
    late = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in late] == [DeadlineExceeded] * 4
    await eventually(lambda: ends(streams) == [ReplicaLost] * 2)
    await give_up(streams)
    await eventually(lambda: model.outstanding == 0)
    await eventually(model.processes["b"].is_idle)

    model.processes["a"].go_on()
    await eventually(model.processes["a"].is_idle)
    await eventually(lambda: model.pool.stats().links == 2)

    async def is_back() -> bool:
        return "a" in await model.answers()

    await eventually(is_back)


async def test_a_killed_replica_breaks_its_streams_in_band_and_no_whole_answer(
    model: ProcessModel,
) -> None:
    streams = await opened_streams(model, 2)
    calling = asyncio.create_task(model.answers())
    model.processes["a"].kill()
    assert set(await calling) <= {"a", "b"}
    assert set(await model.answers()) == {"b"}
    await eventually(lambda: ends(streams) == [ReplicaLost])
    await give_up(streams)
    await eventually(lambda: model.outstanding == 0)
    await eventually(model.processes["b"].is_idle)
