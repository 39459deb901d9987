"""The collector of traces: what is told of it without sending anything."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from cluster.health.checks.collector import LOST_SHOWN_S, CollectorCheck
from cluster.runtime.clock import ManualClock


@dataclass
class Counts:
    lost: int = 0
    last_error: str = ""


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Of something that accepts connections."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/traces"
    server.close()


async def test_a_collector_that_takes_everything_is_up(url: str) -> None:
    assert (await CollectorCheck(url, Counts(), ManualClock())()).state == "up"


async def test_one_that_refuses_what_it_is_sent_is_degraded_until_it_takes_it(url: str) -> None:
    counts = Counts(last_error="HTTP 401")
    check = CollectorCheck(url, counts, ManualClock())

    refused = await check()
    counts.last_error = ""

    assert (refused.state, refused.detail) == (
        "degraded",
        "does not take what it is sent: HTTP 401",
    )
    assert (await check()).state == "up"


async def test_spans_that_were_lost_are_reported_for_a_while(url: str) -> None:
    clock, counts = ManualClock(), Counts()
    check = CollectorCheck(url, counts, clock)
    assert (await check()).state == "up"

    counts.lost = 512
    lost = await check()
    clock.advance(LOST_SHOWN_S)

    assert (lost.state, lost.detail[:20]) == ("degraded", "512 spans were lost ")
    assert (await check()).state == "up"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v1/traces", "collector:4318", "http://:4318", "http://a:b/", ""]
)
async def test_one_that_cannot_be_connected_to_is_down(url: str) -> None:
    assert (await CollectorCheck(url, Counts(), ManualClock())()).state == "down"
