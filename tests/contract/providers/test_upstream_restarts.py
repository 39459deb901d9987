"""Upstreams that are killed and come back under load: whole responses fail only if none is left."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable

import pytest

from cluster.resilience.failure_class import Unavailable, UpstreamFailed
from cluster.runtime.problems import Problem
from tests.contract.providers.polling import until
from tests.upstream_server.exchange import Exchange, answer_rightly
from tests.upstream_server.provider_models import ServedProvider, served_model
from tests.upstream_server.requests import chat_request
from tests.upstream_server.server import UpstreamServer

AT_ONCE = 8
SETTINGS = {
    "routing": {"ejection": {"base_s": 0.5, "longest_s": 1.0}},
    "resilience": {"breaker": {"open_s": 0.5, "longest_open_s": 1.0}},
}


async def answer_in_a_while(exchange: Exchange) -> None:
    """Some requests are always under way."""
    await asyncio.sleep(0.02)
    await answer_rightly(exchange)


@pytest.fixture
async def two() -> AsyncIterator[tuple[UpstreamServer, UpstreamServer]]:
    async with UpstreamServer(answer_in_a_while) as one, UpstreamServer(answer_in_a_while) as other:
        yield one, other


class Traffic:
    """Clients that ask for whole responses, each the next once it has one, until they are told."""

    def __init__(self, model: ServedProvider) -> None:
        self._model = model
        self._tasks: list[asyncio.Task[None]] = []
        self._goes_on = True
        self.answered = 0
        self.problems: list[Problem] = []

    async def __aenter__(self) -> "Traffic":
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(AT_ONCE)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._goes_on = False
        await asyncio.gather(*self._tasks)

    async def _ask(self) -> None:
        while self._goes_on:
            try:
                await self._model.model.generate(chat_request(timeout_s=10.0))
            except Problem as problem:
                self.problems.append(problem)
                await asyncio.sleep(0.01)
            else:
                self.answered += 1

    async def more(self, answers: int, server: UpstreamServer | None = None) -> None:
        """Waits for so many more answers, with `server` of that one."""
        count: Callable[[], int] = (
            (lambda: self.answered) if server is None else (lambda: len(server.answered))
        )
        target = count() + answers
        await until(lambda: count() >= target, 30.0)


@pytest.mark.parametrize("engine", ["openai", "anthropic"])
async def test_nothing_fails_while_one_of_two_is_killed_and_comes_back(
    engine: str, two: tuple[UpstreamServer, UpstreamServer]
) -> None:
    one, other = two
    async with served_model(two, engine, **SETTINGS) as served, Traffic(served) as traffic:
        await traffic.more(50)
        for _ in range(2):
            await one.kill()
            await traffic.more(100)
            await one.start()
            await traffic.more(20, one)

    assert traffic.problems == []
    assert len(one.answered) + len(other.answered) >= traffic.answered
    figures = served.model.figures()
    assert figures.breaker.state == "closed"
    assert figures.retries > 0


async def test_the_breaker_opens_while_both_are_gone_and_closes_when_one_is_back(
    two: tuple[UpstreamServer, UpstreamServer],
) -> None:
    one, other = two
    async with served_model(two, "openai", **SETTINGS) as served, Traffic(served) as traffic:
        await traffic.more(20)
        await one.kill()
        await other.kill()
        await until(lambda: served.model.figures().breaker.state == "open")
        refused = served.model.figures().refused
        await until(lambda: served.model.figures().refused > refused)

        await other.start()
        await until(lambda: served.model.figures().breaker.state == "closed", 30.0)
        problems = len(traffic.problems)
        await traffic.more(100)

        assert len(traffic.problems) == problems, "some failed after it had closed"
    assert all(isinstance(each, UpstreamFailed | Unavailable) for each in traffic.problems)


async def test_the_log_says_once_that_an_upstream_is_left_out_and_that_it_is_back(
    two: tuple[UpstreamServer, UpstreamServer], caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = two
    with caplog.at_level(logging.INFO, "mobula.providers"):
        async with served_model(two, "openai", **SETTINGS) as served, Traffic(served) as traffic:
            await traffic.more(20)
            await one.kill()
            await traffic.more(50)
            await one.start()
            await traffic.more(5, one)

    [out, back] = [record.getMessage() for record in caplog.records]
    name = f"upstream 0:127.0.0.1:{one.port} of 'm'"
    assert out.startswith(f"{name} is left out: The provider of 'm' ")
    assert back == f"{name} answers again"


async def test_a_failure_that_is_remembered_does_not_grow_and_holds_no_request(
    two: tuple[UpstreamServer, UpstreamServer],
) -> None:
    """It is told again at each look at the model, and kept until the upstream is well."""
    one, other = two
    await one.kill()
    await other.kill()
    async with served_model(two, "openai", **SETTINGS) as served:
        for _ in range(5):
            with pytest.raises(Problem):
                await served.model.generate(chat_request("a secret of the tenant"))
        for _ in range(10):
            with pytest.raises(Problem):
                await served.model.card()

        kept = [upstream.last_problem for upstream in served.model.caller.upstreams.values()]

    for problem in kept:
        assert problem is not None
        frames = list(traceback.walk_tb(problem.__traceback__))
        assert frames == []
        assert problem.__context__ is None
