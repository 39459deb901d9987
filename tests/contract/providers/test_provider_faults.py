"""Whatever an upstream does: the right answer or a typed problem, in time, and nothing is left."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from cluster.resilience.failure_class import UpstreamRefused
from cluster.runtime.problems import DeadlineExceeded, Problem
from deployments.contracts.generation import Chunk, GenerateRequest, TokenUsage
from tests.contract.providers.polling import until
from tests.upstream_server import transport_faults
from tests.upstream_server.answers import PROMPT_TOKENS, WORDS
from tests.upstream_server.content_faults import ends_late, repeats_names, streams_for_ever
from tests.upstream_server.exchange import answer_rightly
from tests.upstream_server.faults import (
    ANSWER,
    ESTIMATED,
    FAULTS,
    LATE,
    OTHER,
    Outcome,
    UpstreamFault,
)
from tests.upstream_server.provider_models import ServedProvider, served_model
from tests.upstream_server.requests import chat_request
from tests.upstream_server.server import UpstreamServer
from tests.upstream_server.transport_faults import hangs_before_head, redirects_to

DEADLINE_S = 0.5  # of faults that last until then
LONG_DEADLINE_S = 20.0  # of the others, on a busy machine
LATE_S = 10.0  # beyond the deadline, on a busy machine
MIB = 1 << 20
MOST_BYTES = 48 * MIB  # a whole answer may have 32 MiB


def takes_turns(fault: UpstreamFault) -> bool:
    is_of_transport = fault.respond.__module__ == transport_faults.__name__
    return is_of_transport or LATE in (fault.whole, fault.stream)


def cases() -> Iterator[Any]:
    """Faults of transport and those that last: once with each engine, whole and streamed in turn.
    The others, which each codec reads in its own way, and with `--all` all: in every form."""
    for number, (name, fault) in enumerate(FAULTS.items()):
        forms = [streamed for streamed in (False, True) if fault.outcomes(streamed=streamed)]
        for turn, engine in enumerate(fault.engines):
            for streamed in forms:
                is_turn = not takes_turns(fault) or streamed == forms[(number + turn) % len(forms)]
                marks = () if is_turn else pytest.mark.exhaustive
                id = f"{name}-{engine}-{'stream' if streamed else 'whole'}"
                yield pytest.param(fault, engine, streamed, id=id, marks=marks)


@pytest.fixture
async def served(upstream: UpstreamServer, engine: str) -> AsyncIterator[ServedProvider]:
    async with served_model([upstream], engine, resilience={"retries": 0}) as found:
        yield found


async def collected(model: ServedProvider, request: GenerateRequest, *, streamed: bool) -> Outcome:
    """What kind of answer came. Raises Problems."""
    if streamed:
        texts, usage = await streamed_texts(model, request)
    else:
        completion = await model.model.generate(request)
        texts = [choice.text for choice in completion.choices]
        usage = completion.usage
    if texts != [WORDS] * request.n:
        return OTHER
    if usage.is_estimated:
        return ESTIMATED
    assert (usage.prompt_tokens, usage.completion_tokens) == (PROMPT_TOKENS, 5 * request.n)
    return ANSWER


async def streamed_texts(
    model: ServedProvider, request: GenerateRequest
) -> tuple[list[str], TokenUsage]:
    chunks: list[Chunk] = [chunk async for chunk in model.model.stream(request)]
    texts = [""] * request.n
    for chunk in chunks:
        texts[chunk.index] += chunk.text
    assert sum(chunk.finish_reason is not None for chunk in chunks) == request.n
    usage = chunks[-1].usage
    assert usage is not None
    return texts, usage


@contextmanager
def bounded_memory() -> Iterator[None]:
    """The upstream is in this process too; it writes the same few objects again and again."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def is_expected(outcome: Outcome, expected: tuple[Outcome, ...]) -> bool:
    if isinstance(outcome, str):
        return outcome in expected
    return issubclass(outcome, tuple(each for each in expected if not isinstance(each, str)))


async def require_nothing_left(model: ServedProvider, upstream: UpstreamServer) -> None:
    """No attempt is open; a connection is kept only where it can be used again."""
    counts = model.model.caller.counts
    assert counts.submitted == counts.finished + counts.failed + counts.cancelled
    await until(lambda: upstream.open <= model.open_connections)


@pytest.mark.parametrize(("fault", "engine", "streamed"), list(cases()))
async def test_a_fault_is_a_typed_problem_or_the_right_answer(
    fault: UpstreamFault,
    engine: str,
    streamed: bool,
    served: ServedProvider,
    upstream: UpstreamServer,
) -> None:
    upstream.next.append(fault.respond)
    expected = fault.outcomes(streamed=streamed)
    deadline_s = DEADLINE_S if DeadlineExceeded in expected else LONG_DEADLINE_S
    request = chat_request(timeout_s=deadline_s, **(fault.fields or {}))
    tasks = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    began = loop.time()
    outcome: Outcome
    told = ""
    try:
        with bounded_memory() if fault.is_big else nullcontext():
            outcome = await collected(served, request, streamed=streamed)
    except Problem as problem:
        outcome, told = type(problem), f"{problem.detail} {problem.extensions}"

    assert "127.0.0.1" not in told
    assert is_expected(outcome, expected), outcome
    assert loop.time() - began < deadline_s + LATE_S
    await require_nothing_left(served, upstream)
    await until(lambda: all(map(upstream.runs, asyncio.all_tasks() - tasks)))
    await require_own_answers(served)


async def require_own_answers(model: ServedProvider) -> None:
    """What is left of a wrong answer is never read as the next one."""
    for held in model.model.caller.upstreams.values():
        held.readmit()
    for streamed in (False, True):
        again = chat_request(timeout_s=LONG_DEADLINE_S)
        assert await collected(model, again, streamed=streamed) == ANSWER


async def test_id_and_name_of_a_call_come_once_whatever_the_upstream_does(
    upstream: UpstreamServer,
) -> None:
    """Clients join the pieces."""
    upstream.default = repeats_names
    async with served_model([upstream], "openai") as served:
        chunks = [chunk async for chunk in served.model.stream(chat_request())]

    pieces = [piece for chunk in chunks for piece in chunk.tool_calls]
    assert "".join(piece.name for piece in pieces) == "weather"
    assert "".join(piece.id for piece in pieces) == "call_1"


async def test_a_redirect_is_not_followed_to_a_private_address(upstream: UpstreamServer) -> None:
    """Nor anywhere else: the credential would go with it."""
    async with UpstreamServer() as other, served_model([upstream], "openai") as served:
        upstream.default = redirects_to(f"{other.url}/chat/completions")

        with pytest.raises(UpstreamRefused):
            await served.model.generate(chat_request())

        assert other.opened == 0


async def test_a_connection_is_used_again_after_a_right_answer(upstream: UpstreamServer) -> None:
    async with served_model([upstream], "openai") as served:
        for streamed in (False, True, False):
            assert await collected(served, chat_request(), streamed=streamed) == ANSWER

    assert upstream.opened == 1


@pytest.mark.parametrize("engine", ["openai", "anthropic"])
async def test_a_connection_is_used_again_where_the_end_comes_after_the_last_event(
    engine: str, upstream: UpstreamServer
) -> None:
    """As with many servers: the end of the chunks is a packet of its own."""
    upstream.default = ends_late
    async with served_model([upstream], engine) as served:
        for _ in range(3):
            assert await collected(served, chat_request(), streamed=True) == ANSWER
            await until(lambda: upstream.requests[-1].answered)
            [pool] = served.pools
            await until(lambda: pool.idle == 1)  # noqa: B023  there is one pool

    assert upstream.opened == 1


async def test_a_stream_that_is_closed_early_ends_at_the_upstream(upstream: UpstreamServer) -> None:
    """It is not generated to its end for nobody; what had come is settled."""
    upstream.default = streams_for_ever
    async with served_model([upstream], "openai") as served:
        call = served.model.begin(chat_request())
        stream = call.stream()
        received = [await anext(stream) for _ in range(3)]
        await stream.aclose()

        await until(lambda: upstream.requests[0].left)
        settlement = call.settlement()
        assert settlement is not None
        usage = await settlement

    assert usage.is_estimated
    assert usage.completion_tokens >= sum(chunk.tokens for chunk in received) > 0
    assert usage.prompt_tokens > 0


async def test_a_cancelled_call_ends_at_the_upstream(upstream: UpstreamServer) -> None:
    upstream.default = hangs_before_head
    async with served_model([upstream], "openai", timeouts={}) as served:
        call = served.model.begin(chat_request())
        task = asyncio.create_task(call.generate())
        await until(lambda: upstream.requests != [])
        task.cancel()
        await asyncio.wait([task])

        await until(lambda: upstream.requests[0].left)
        settlement = call.settlement()
        assert settlement is not None
        assert (await settlement).is_estimated

    assert task.cancelled()


async def test_a_full_pool_is_a_problem_by_the_deadline(upstream: UpstreamServer) -> None:
    upstream.default = hangs_before_head
    async with served_model([upstream], "openai", timeouts={}, max_connections=2) as served:
        requests = [chat_request(timeout_s=0.5) for _ in range(5)]
        outcomes = await asyncio.gather(
            *(served.model.generate(request) for request in requests), return_exceptions=True
        )

        assert all(isinstance(outcome, Problem) for outcome in outcomes)
        assert upstream.opened <= 2 * len(requests)
        upstream.default = answer_rightly
        assert await collected(served, chat_request(), streamed=False) == ANSWER
