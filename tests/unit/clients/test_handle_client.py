"""The handle client and ingress replicas of another version, which run side by side in a roll."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import copy_context
from typing import Any

import pytest

from cluster.client import AsyncMobula
from cluster.runtime.problems import Overloaded, Problem
from cluster.tracing.log_context import log_trace

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
INTERNAL = Problem("Something went wrong on our side.")


class Answer:
    """What Serve gives for a call, once or as a stream."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __await__(self) -> Iterator[Any]:
        yield from asyncio.sleep(0).__await__()
        return self._answer

    async def __aiter__(self) -> AsyncIterator[Any]:
        yield self._answer

    def cancel(self) -> None: ...


class Ingress:
    """Answers by the number of arguments that it is called with."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.calls: list[tuple[Any, ...]] = []
        self.call = self.stream = self

    def remote(self, *arguments: Any) -> Answer:
        self.calls.append(arguments)
        return Answer(self._answers[f"of_{len(arguments)}"])


def client_of(ingress: Ingress) -> AsyncMobula:
    client = AsyncMobula("key", timeout_s=5)
    client.__dict__.update(_handle=ingress, _streaming=ingress)
    return client


async def ask(client: AsyncMobula) -> list[int]:
    return await client.tokenize("hi")


async def read(client: AsyncMobula) -> list[Any]:
    return [value async for _, value in client.stream_caption("tea")]


async def traced(work: Any, client: AsyncMobula) -> Any:
    """As in a job that is traced."""
    context = copy_context()
    context.run(log_trace, TRACEPARENT)
    return await asyncio.create_task(work(client), context=context)


async def test_a_traced_job_passes_its_span_on() -> None:
    ingress = Ingress(of_6={"tokens": [1]}, of_5={"tokens": []})

    assert await traced(ask, client_of(ingress)) == [1]
    assert [arguments[-1] for arguments in ingress.calls] == [TRACEPARENT]


async def test_a_replica_that_knows_no_traces_answers_a_traced_job_all_the_same() -> None:
    """It fails before it does anything: that argument is one too many."""
    ingress = Ingress(of_6=INTERNAL, of_5={"tokens": [1, 2]})

    assert await traced(ask, client_of(ingress)) == [1, 2]
    assert [len(arguments) for arguments in ingress.calls] == [6, 5]


async def test_so_does_its_stream() -> None:
    ingress = Ingress(of_6=INTERNAL, of_5=("completed", {"n": 1}))

    assert await traced(read, client_of(ingress)) == [{"n": 1}]
    assert [len(arguments) for arguments in ingress.calls] == [6, 5]


@pytest.mark.parametrize("work", [ask, read])
async def test_other_problems_are_final(work: Any) -> None:
    ingress = Ingress(of_6=Overloaded("busy", retry_after_s=1), of_5={"tokens": []})

    with pytest.raises(Overloaded):
        await traced(work, client_of(ingress))
    assert len(ingress.calls) == 1


@pytest.mark.parametrize("work", [ask, read])
async def test_without_a_trace_there_is_one_call(work: Any) -> None:
    ingress = Ingress(of_5=INTERNAL)

    with pytest.raises(Problem):
        await work(client_of(ingress))
    assert len(ingress.calls) == 1
