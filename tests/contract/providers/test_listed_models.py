"""Models that a provider lists come and go; checks in the background."""

import asyncio
from typing import Any

import pytest

from cluster.resilience.failure_class import UpstreamFailed, UpstreamRefused
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem, UnknownModel
from deployments.ingress.model_registry import ModelRegistry
from deployments.providers.services import Providers
from tests.contract.providers.calls import model, provider_models
from tests.contract.providers.polling import until
from tests.upstream_server.content_faults import status
from tests.upstream_server.requests import chat_request
from tests.upstream_server.server import UpstreamServer


def listing(url: str, **discover: Any) -> dict[str, Any]:
    return {
        "id": "open", "engine": "openai", "base_url": url, "discover": discover or True,
        "check": False,
    }  # fmt: skip


def registry(providers: Providers) -> ModelRegistry:
    return ModelRegistry({**providers.models}, SystemClock(), {**providers.embedders})


async def test_listed_models_are_served_by_their_names(upstream: UpstreamServer) -> None:
    async with provider_models(listing(upstream.url)) as providers:
        models = registry(providers)
        providers.start(models)
        await until(lambda: "open/up" in models.ids)

        served = models.text_models["open/up"]
        assert (await served.generate(chat_request(model="open/up"))).choices[0].text
        assert upstream.requests[-1].json["model"] == "up"
        assert (await models.card("open/up")).source == "up"


async def test_a_model_that_is_listed_no_more_is_gone(upstream: UpstreamServer) -> None:
    async with provider_models(listing(upstream.url)) as providers:
        models = registry(providers)
        providers.start(models)
        await until(lambda: "open/up" in models.ids)

        upstream.models = ("fresh",)
        await providers.discover()

        assert models.ids == ("open/fresh",)
        with pytest.raises(UnknownModel):
            await models.card("open/up")


async def test_patterns_choose_among_the_listed(upstream: UpstreamServer) -> None:
    upstream.models = ("gpt-4o", "gpt-4o-audio", "whisper", "bad name", "x" * 200)
    settings = listing(upstream.url, include=["gpt-*"], exclude=["*-audio"])
    async with provider_models(settings) as providers:
        models = registry(providers)
        providers.start(models)
        await until(lambda: bool(models.ids))

        assert models.ids == ("open/gpt-4o",)


async def test_a_list_that_cannot_be_read_changes_nothing(upstream: UpstreamServer) -> None:
    async with provider_models(listing(upstream.url)) as providers:
        models = registry(providers)
        providers.start(models)
        await until(lambda: bool(models.ids))
        before = models.ids

        await upstream.kill()
        await providers.discover()

        assert models.ids == before


async def test_the_check_finds_an_upstream_that_is_away_and_one_that_is_back(
    upstream: UpstreamServer,
) -> None:
    async with provider_models(model(upstream.url)) as providers:
        served = providers.models["m"]
        await providers.check()
        assert (await served.card()).provider == "127.0.0.1"

        await upstream.kill()
        await providers.check()
        with pytest.raises(UpstreamFailed):
            await served.card()

        await upstream.start()
        await providers.check()
        assert (await served.card()).id == "m"


async def test_a_card_asks_no_upstream(upstream: UpstreamServer) -> None:
    async with provider_models(model(upstream.url)) as providers:
        for _ in range(5):
            await providers.models["m"].card()

    assert upstream.requests == []


async def test_a_refused_key_is_told_until_another_request_succeeds(
    upstream: UpstreamServer,
) -> None:
    upstream.next.append(status(401))
    async with provider_models(model(upstream.url)) as providers:
        served = providers.models["m"]
        with pytest.raises(UpstreamRefused):
            await served.generate(chat_request())
        with pytest.raises(Problem):
            await served.card()

        await served.generate(chat_request())
        assert await served.card()


async def test_a_model_with_one_upstream_that_works_is_well(upstream: UpstreamServer) -> None:
    async with (
        UpstreamServer() as other,
        provider_models(model(upstream.url, other.url)) as providers,
    ):
        await other.kill()
        await providers.check()

        assert await providers.models["m"].card()


async def test_an_upstream_that_the_check_cannot_reach_is_left_out(
    upstream: UpstreamServer,
) -> None:
    async with (
        UpstreamServer() as other,
        provider_models(model(upstream.url, other.url)) as providers,
    ):
        await other.kill()
        await providers.check()
        for _ in range(4):
            await providers.models["m"].generate(chat_request())

        assert providers.models["m"].figures().retries == 0


@pytest.mark.parametrize("code", [403, 404])
async def test_a_list_that_may_not_be_read_is_no_failure(code: int) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {code} No\r\ncontent-length: 0\r\n\r\n".encode())

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with provider_models(model(url)) as providers:
        await providers.check()

        assert await providers.models["m"].card()
    server.close()
