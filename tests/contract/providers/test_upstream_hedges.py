"""A second upstream is asked where the first is slow: one answer, one usage, nothing left open."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.contract.providers.polling import until
from tests.upstream_server.answers import WORDS
from tests.upstream_server.exchange import Exchange, answer_rightly
from tests.upstream_server.provider_models import ServedProvider, served_model
from tests.upstream_server.requests import chat_request
from tests.upstream_server.server import UpstreamServer
from tests.upstream_server.transport_faults import hangs_before_head

HEDGE = {"quantile": 0.5, "share": 1.0, "least_s": 0.05}
LEARNED = 40  # calls after which it is known what slow is


@pytest.fixture
async def two() -> AsyncIterator[tuple[UpstreamServer, UpstreamServer]]:
    async with UpstreamServer() as one, UpstreamServer() as other:
        yield one, other


@pytest.fixture
async def hedged(two: tuple[UpstreamServer, UpstreamServer]) -> AsyncIterator[ServedProvider]:
    settings = {"resilience": {"hedge": HEDGE}, "timeouts": {"first_byte_s": 30}}
    async with served_model(two, "openai", **settings) as served:
        for _ in range(LEARNED):
            await served.model.generate(chat_request())
        yield served


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_slow_upstream_is_overtaken_and_left(
    streamed: bool, two: tuple[UpstreamServer, UpstreamServer], hedged: ServedProvider
) -> None:
    """Whichever is asked first hangs; the other one answers."""
    asked = asyncio.Event()

    async def first_hangs(exchange: Exchange) -> None:
        respond = answer_rightly if asked.is_set() else hangs_before_head
        asked.set()
        await respond(exchange)

    for server in two:
        server.default = first_hangs
    before = sum(len(server.answered) for server in two)
    call = hedged.model.begin(chat_request(timeout_s=20.0))

    if streamed:
        text = "".join([chunk.text async for chunk in call.stream()])
    else:
        text = (await call.generate()).choices[0].text

    assert text == WORDS
    assert hedged.model.figures().hedges >= 1
    assert sum(len(server.answered) for server in two) == before + 1
    hanging = [each for server in two for each in server.requests if not each.answered]
    await until(lambda: len(hanging) == 1 and hanging[0].left)
    counts = hedged.model.caller.counts
    assert counts.submitted == counts.finished + counts.failed + counts.cancelled
