"""The health of a provider's model: its upstream goes away and comes back."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from cluster.health.dependency import Dependency
from cluster.health.monitor import DependencyMonitor
from cluster.runtime.clock import SystemClock
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import ServeSnapshot
from deployments.ingress.health.serve_checks import ModelCheck, RecentStatus
from tests.upstream_server.application import GatewayApplication, gateway_application
from tests.upstream_server.provider_models import KEYS, model_settings
from tests.upstream_server.server import UpstreamServer

CHAT = {"model": "m", "temperature": 1, "messages": [{"role": "user", "content": "hi"}]}


class NoServe:
    """Nobody asks the controller for a model that it does not run."""

    last_status: ServeSnapshot | None = None

    async def status(self) -> ServeSnapshot | None:
        raise AssertionError

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        raise AssertionError

    async def count_answers(self, deployment: str) -> int:
        raise AssertionError


@pytest.fixture
async def gateway(
    upstream: UpstreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[GatewayApplication]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    models = [model_settings([upstream], resilience={"retries": 0})]
    async with gateway_application(tmp_path / "home", models) as application:
        yield application


async def chat(gateway: GatewayApplication) -> httpx.Response:
    return await gateway.client.post("/v1/chat/completions", json=CHAT)


async def test_a_provider_that_refuses_is_down_until_it_answers(
    gateway: GatewayApplication, upstream: UpstreamServer
) -> None:
    models = gateway.running.services.models
    check = ModelCheck(models, "m", RecentStatus(NoServe(), SystemClock()), None)
    monitor = DependencyMonitor(Dependency("model:m", "provider", check, ""), SystemClock(), 0.0)

    async def becomes(state: str) -> None:
        """A card is believed for two seconds."""
        async with asyncio.timeout(20):
            while monitor.status().state != state:
                await monitor.run_check()
                await asyncio.sleep(0.02)

    assert (await chat(gateway)).status_code == 200
    await becomes("up")

    await upstream.kill()
    assert (await chat(gateway)).is_error
    await becomes("down")
    assert "127.0.0.1" not in monitor.status().detail

    await upstream.start()
    gateway.ask_all_upstreams()
    assert (await chat(gateway)).status_code == 200
    await becomes("up")
