"""Which upstream answers, where one of them fails, is busy, or refuses."""

import asyncio
from pathlib import Path

import pytest

from cluster.resilience.failure_class import (
    AllUpstreamsBusy,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamRefused,
)
from cluster.runtime.problems import DeadlineExceeded
from deployments.contracts.generation import Completion
from deployments.providers.provider_model import ProviderModel
from tests.contract.providers.calls import model, provider_models
from tests.upstream_server.content_faults import status
from tests.upstream_server.requests import chat_request
from tests.upstream_server.server import UpstreamServer
from tests.upstream_server.transport_faults import dies_before_head, hangs_before_head


def posts(server: UpstreamServer) -> int:
    return len([request for request in server.requests if request.method == "POST"])


async def ask(served: ProviderModel, **fields: float) -> Completion:
    return await served.generate(chat_request(**fields))


async def test_equal_upstreams_take_turns() -> None:
    async with UpstreamServer() as one, UpstreamServer() as two:
        async with provider_models(model(one.url, two.url)) as providers:
            for _ in range(6):
                await ask(providers.models["m"])

        assert (posts(one), posts(two)) == (3, 3)


async def test_weights_divide_requests_where_no_policy_is_named() -> None:
    async with UpstreamServer() as one, UpstreamServer() as two:
        upstreams = [{"base_url": one.url, "weight": 3}, {"base_url": two.url, "weight": 1}]
        async with provider_models({**model(), "upstreams": upstreams}) as providers:
            for _ in range(8):
                await ask(providers.models["m"])

        assert (posts(one), posts(two)) == (6, 2)


@pytest.mark.parametrize("fault", [dies_before_head, status(500), status(401), status(404)])
async def test_another_upstream_answers_where_one_fails(fault: object) -> None:
    async with UpstreamServer(fault) as bad, UpstreamServer() as good:  # type: ignore[arg-type]
        async with provider_models(model(bad.url, good.url)) as providers:
            for _ in range(3):
                assert (await ask(providers.models["m"])).choices[0].text
            chunks = [chunk async for chunk in providers.models["m"].stream(chat_request())]

        assert chunks[-1].finish_reason


async def test_an_upstream_that_refuses_the_key_is_left_out_for_some_time() -> None:
    async with UpstreamServer(status(401)) as bad, UpstreamServer() as good:
        async with provider_models(model(bad.url, good.url)) as providers:
            for _ in range(10):
                await ask(providers.models["m"])

        assert posts(bad) == 1


async def test_the_only_upstream_is_not_asked_twice_for_what_it_refuses() -> None:
    async with UpstreamServer(status(403)) as bad:
        async with provider_models(model(bad.url)) as providers:
            with pytest.raises(UpstreamRefused) as refused:
                await ask(providers.models["m"])

        assert posts(bad) == 1
        assert refused.value.status == 502
        assert bad.url not in refused.value.detail


async def test_a_busy_upstream_is_not_asked_before_the_time_it_names() -> None:
    busy = status(429, **{"retry-after": "60"})
    async with UpstreamServer(busy) as one, UpstreamServer() as two:
        async with provider_models(model(one.url, two.url)) as providers:
            for _ in range(6):
                await ask(providers.models["m"])

        assert (posts(one), posts(two)) == (1, 6)


async def test_where_all_are_busy_the_shortest_time_is_told() -> None:
    one_busy, two_busy = status(429, **{"retry-after": "60"}), status(503, **{"retry-after": "20"})
    async with UpstreamServer(one_busy) as one, UpstreamServer(two_busy) as two:
        async with provider_models(model(one.url, two.url)) as providers:
            with pytest.raises(UpstreamBusy):
                await ask(providers.models["m"])
            with pytest.raises(AllUpstreamsBusy) as told:
                await ask(providers.models["m"])

        assert (posts(one), posts(two)) == (1, 1)
        assert 15 < told.value.extensions["retry_after_s"] <= 20
        assert 15 < float(told.value.headers["Retry-After"]) <= 20


async def test_a_short_wait_for_a_busy_upstream_is_waited() -> None:
    async with UpstreamServer() as one:
        one.next.append(status(429, **{"retry-after": "0.2"}))
        async with provider_models(model(one.url)) as providers:
            with pytest.raises(UpstreamBusy):
                await ask(providers.models["m"])
            await ask(providers.models["m"])

        assert posts(one) == 2


async def test_a_deadline_holds_for_all_attempts_together() -> None:
    async with UpstreamServer(hangs_before_head) as one, UpstreamServer(hangs_before_head) as two:
        settings = model(one.url, two.url, timeouts={"first_byte_s": 0.2})
        async with provider_models(settings) as providers:
            with pytest.raises((DeadlineExceeded, UpstreamFailed)):
                async with asyncio.timeout(5):
                    await ask(providers.models["m"], timeout_s=0.5)


async def test_a_hedged_call_is_answered_by_the_faster_upstream() -> None:
    hedge = {"hedge": {"share": 1.0, "least_s": 0.05, "quantile": 0.5}}
    async with UpstreamServer() as one, UpstreamServer() as two:
        settings = model(one.url, two.url, resilience=hedge)
        async with provider_models(settings) as providers:
            served = providers.models["m"]
            for _ in range(40):
                await ask(served)
            one.default = hangs_before_head
            for _ in range(2):  # one of them goes to the upstream that hangs
                assert (await ask(served, timeout_s=5)).choices[0].text

            assert served.figures().hedges >= 1


async def test_a_key_in_a_file_is_changed_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-first")
    async with UpstreamServer() as one:
        async with provider_models(model(one.url, key_file=str(file))) as providers:
            await ask(providers.models["m"])
            file.write_text("sk-second")
            await providers.read_keys()
            await ask(providers.models["m"])

        sent = [request.header("authorization") for request in one.requests]
        assert sent == ["Bearer sk-first", "Bearer sk-second"]


async def test_each_upstream_has_its_key_and_its_name_of_the_model() -> None:
    async with UpstreamServer() as one, UpstreamServer() as two:
        upstreams = [
            {"base_url": one.url, "key_env": "ONE", "source": "a"},
            {"base_url": two.url, "key_env": "TWO", "source": "b"},
        ]
        environment = {"ONE": "key-one", "TWO": "key-two"}
        settings = {**model(), "upstreams": upstreams, "key_header": "api-key"}
        async with provider_models(settings, environment=environment) as providers:
            await ask(providers.models["m"])
            await ask(providers.models["m"])

        assert [each.header("api-key") for each in one.requests] == ["key-one"]
        assert [each.header("api-key") for each in two.requests] == ["key-two"]
        assert (one.requests[0].json["model"], two.requests[0].json["model"]) == ("a", "b")


async def test_a_missing_key_is_a_problem_that_names_its_variable() -> None:
    async with UpstreamServer() as one, provider_models(model(one.url, key_env="NONE")) as found:
        with pytest.raises(UpstreamRefused, match="NONE"):
            await ask(found.models["m"])
        with pytest.raises(UpstreamFailed, match="NONE"):
            await found.models["m"].card()
        assert one.requests == []
