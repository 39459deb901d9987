"""Links as replicas come and go: opened, opened anew, retired; handles where there is none."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.balancing.request_info import ReplicaGone
from cluster.runtime.problems import ModelFailed
from deployments.clients.link.endpoint import LinkEndpoint
from deployments.clients.link.methods import GENERATE
from deployments.clients.link.options import LinkOptions
from deployments.clients.link.tls import client_context, server_context
from deployments.contracts.links import LinkOffer
from tests.cluster.polling import eventually
from tests.contract.haproxy.certificates import Authority
from tests.contract.links.linked_models import FakeOpening, LinkedModel
from tests.contract.links.scripted_replica import request


@pytest.fixture
async def model() -> AsyncIterator[LinkedModel]:
    model = LinkedModel("a", "b")
    yield model
    await model.close()


async def test_a_link_is_opened_to_every_replica_that_comes(model: LinkedModel) -> None:
    await model.start(linked=False)
    await eventually(lambda: model.pool.stats().links == 2)
    assert (model.pool.stats().opened, model.openings) == (2, 2)


async def test_the_first_calls_go_by_handle_and_later_ones_over_links(model: LinkedModel) -> None:
    await model.start(linked=False)
    await model.text.generate(request("hello"))
    assert model.pool.stats().by_handle == model.handle.calls == 1
    await eventually(lambda: model.pool.stats().links == 2)
    await model.text.generate(request("hello"))
    assert model.pool.stats().by_handle == model.handle.calls == 1


async def test_before_a_router_has_told_of_replicas_handles_carry_calls(model: LinkedModel) -> None:
    await model.start(linked=False)
    model.list()
    model.pool._sync()
    assert not model.pool.active()


async def test_handles_carry_the_calls_of_a_replica_that_has_no_link(model: LinkedModel) -> None:
    """Each replica gets its share, and links are opened once they can be."""
    model.refused = ModelFailed("m", "no such method")
    await model.start(linked=False)
    await eventually(lambda: model.pool.stats().failed >= 2)
    for _ in range(10):
        await model.text.generate(request("hello"))
    assert [len(replica.asked) for replica in model.replicas.values()] == [5, 5]
    assert model.pool.stats().by_handle == model.handle.calls == 10
    model.refused = None
    await eventually(lambda: model.pool.stats().links == 2)
    await model.text.generate(request("hello"))
    assert model.handle.calls == 10
    assert model.outstanding == 0


async def test_what_has_no_form_on_a_link_goes_by_handle(model: LinkedModel) -> None:
    await model.start()
    for odd in (request("hello", seed=2**70), request("lone \ud800")):
        assert await model.text.generate(odd)
    assert model.handle.calls == model.pool.stats().by_handle == 2
    assert model.outstanding == 0


async def test_a_port_that_cannot_be_reached_is_no_failure_of_a_call(model: LinkedModel) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    closed = server.sockets[0].getsockname()[1]
    server.close()
    model.through["a"] = lambda offer: with_port(offer, closed)
    await model.start(linked=False)
    await eventually(lambda: model.pool.stats().links == 1)
    found = [await model.text.generate(request("hello")) for _ in range(6)]
    assert {completion.choices[0].text for completion in found} == {"a: hello", "b: hello"}
    assert model.pool.stats().by_handle == 3


async def test_a_listener_that_is_another_one_gets_no_calls(model: LinkedModel) -> None:
    """Its port was freed, and another replica has it now."""
    other = LinkEndpoint("other", {GENERATE: model.replicas["b"].generate})
    await other._start("127.0.0.1")
    model.through["a"] = lambda offer: with_port(offer, other._port)
    await model.start(linked=False)
    await eventually(lambda: model.pool.stats().links == 1 and model.pool.stats().failed >= 1)
    assert model.pool.find("a") is None
    await other.close()


async def test_another_replica_does_not_offer_its_own_link_in_place(model: LinkedModel) -> None:
    opening = FakeOpening(model.endpoint("b"), "b", "a", lambda offer: offer)
    with pytest.raises(ReplicaGone):
        await opening.offer()
    await opening.ended()
    assert model.endpoint("b").offers == 0


async def test_a_version_of_frames_that_is_unknown_means_handles(model: LinkedModel) -> None:
    model.through["a"] = model.through["b"] = of_tomorrow
    await model.start(linked=False)
    await eventually(lambda: model.pool.stats().failed >= 2)
    assert await model.text.generate(request("hello"))
    assert model.handle.calls == 1


async def test_a_replica_that_is_no_longer_listed_finishes_what_it_has(model: LinkedModel) -> None:
    """Serve lists it no longer when it drains, and waits for its links."""
    await model.start()
    open_calls = [asyncio.create_task(read(model, "3 words then hang")) for _ in range(2)]
    await eventually(lambda: model.running == 2)
    model.list("b")
    await eventually(lambda: model.pool.find("a") is None)
    for _ in range(4):
        await model.text.generate(request("hello"))
    assert "hello" not in model.replicas["a"].asked
    assert model.endpoints["a"].offers == 1
    assert not any(call.done() for call in open_calls)
    for call in open_calls:
        call.cancel()
    await eventually(lambda: model.endpoints["a"].offers == 0)
    assert model.endpoints["b"].offers == 1


async def test_an_idle_link_of_a_replica_that_is_not_listed_ends_at_once(
    model: LinkedModel,
) -> None:
    await model.start()
    model.list("b")
    await eventually(lambda: model.endpoints["a"].offers == 0)


async def test_a_replica_that_goes_away_gets_no_new_calls(model: LinkedModel) -> None:
    await model.start()
    listener = model.endpoints["a"]._listener
    assert listener is not None
    for connection in listener._connections:
        connection.go_away()
    await eventually(lambda: model.pool.find("a") is None)
    for _ in range(4):
        assert await model.text.generate(request("hello"))
    assert model.pool.stats().by_handle == 2


async def test_the_end_of_the_call_through_which_a_link_was_opened_ends_the_link(
    model: LinkedModel,
) -> None:
    await model.start()
    connection = model.pool.find("a")
    assert connection is not None
    await model.endpoints["a"].close()
    await eventually(lambda: not connection.alive)
    await eventually(lambda: model.endpoints["a"].offers == 0)


async def test_closing_the_client_ends_all_links_and_calls(model: LinkedModel) -> None:
    await model.start()
    calling = asyncio.create_task(model.text.generate(request("hang")))
    await eventually(lambda: model.running == 1)
    await model.text.close()
    await eventually(lambda: model.cancelled == 1)  # and then a handle carries it
    calling.cancel()
    model.list("a", "b", "c")
    assert not model.pool.active()
    await eventually(lambda: all(end.offers == 0 for end in model.endpoints.values()))


async def test_a_link_that_nobody_connects_to_is_withdrawn() -> None:
    model = LinkedModel("a", ours=LinkOptions(setup_s=0.05))
    opening = FakeOpening(model.endpoint("a"), "a", "a", lambda offer: offer)
    await opening.offer()
    await opening.ended()
    assert model.endpoint("a").offers == 0
    await model.close()


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Ray's TLS is configured."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("RAY_USE_TLS", "1")
    monkeypatch.setenv("RAY_TLS_CA_CERT", str(authority.file))
    use_certificate(authority, tmp_path, monkeypatch)
    return authority


def use_certificate(authority: Authority, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = folder / "replica.pem", folder / "replica.key"
    authority.issue("replica", certificate, key)
    monkeypatch.setenv("RAY_TLS_SERVER_CERT", str(certificate))
    monkeypatch.setenv("RAY_TLS_SERVER_KEY", str(key))


@pytest.mark.usefixtures("secured")
async def test_links_speak_tls_where_ray_does(model: LinkedModel) -> None:
    offers: list[LinkOffer] = []
    model.through["a"] = lambda offer: offers.append(offer) or offer  # type: ignore[func-returns-value]
    await model.start()
    assert await model.text.generate(request("hello"))
    assert (await read(model, "300 words")).endswith("299 b")
    assert offers[0].tls
    assert model.handle.calls == 0


@pytest.mark.usefixtures("secured")
async def test_a_client_without_ray_s_certificates_gets_no_link(
    model: LinkedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = model.endpoint("a")
    await endpoint._start("127.0.0.1")
    strange = tmp_path / "strange"
    strange.mkdir()
    use_certificate(Authority(strange), strange, monkeypatch)
    await model.start(linked=False)
    await eventually(lambda: model.pool.stats().failed >= 1)
    assert model.pool.find("a") is None


def test_tls_that_is_half_configured_is_an_error_and_not_plain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_USE_TLS", "1")
    for context in (server_context, client_context):
        with pytest.raises(ValueError, match="RAY_USE_TLS"):
            context()
    monkeypatch.setenv("RAY_USE_TLS", "0")
    assert server_context() is None


@pytest.mark.usefixtures("secured")
def test_both_sides_demand_a_certificate() -> None:
    for context in (server_context(), client_context()):
        assert context is not None
        assert context.verify_mode is ssl.CERT_REQUIRED


def with_port(offer: LinkOffer, port: int) -> LinkOffer:
    return LinkOffer(offer.link, offer.secret, offer.host, port, offer.version)


def of_tomorrow(offer: LinkOffer) -> LinkOffer:
    return LinkOffer(offer.link, offer.secret, offer.host, offer.port, offer.version + 1)


async def read(model: LinkedModel, prompt: str) -> str:
    return "".join([chunk.text async for chunk in model.text.stream(request(prompt))])
