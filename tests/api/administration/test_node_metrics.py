"""Ray's and HAProxy's figures by HTTP: with a key of the scope `metrics:read`, of this node."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cluster.ops.ports import Ports
from deployments.ingress.routes import metrics as module
from tests.api.administration.world import World

FIGURES = b"# TYPE ray_x gauge\nray_x 1.0\n"


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Something that answers where Ray's figures are."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(FIGURES)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + FIGURES)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(Ports, "metrics", property(lambda _: port))
    yield
    server.close()


async def prometheus(world: World) -> None:
    body = {"name": "prometheus", "scopes": ["metrics:read"]}
    made = await world.ask("operator", "POST", "/api/v1/tenants/default/keys", json=body)
    world.credentials["prometheus"] = made.json()["key"]


@pytest.mark.usefixtures("served")
async def test_a_key_for_metrics_reads_rays_figures(world: World) -> None:
    await prometheus(world)
    answer = await world.ask("prometheus", "GET", "/metrics/ray")

    assert (answer.status_code, answer.content) == (200, FIGURES)
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await world.ask("owner", "GET", "/metrics/ray")).status_code == 403


@pytest.mark.usefixtures("served")
async def test_figures_without_end_are_not_passed_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prometheus(world)
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    assert (await world.ask("prometheus", "GET", "/metrics/ray")).status_code == 503


async def test_a_source_that_is_not_there_is_a_503_and_an_unknown_one_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prometheus(world)
    monkeypatch.setattr(Ports, "haproxy_metrics", property(lambda _: 1))
    assert (await world.ask("prometheus", "GET", "/metrics/haproxy")).status_code == 503
    assert (await world.ask("prometheus", "GET", "/metrics/gcs")).status_code == 422
