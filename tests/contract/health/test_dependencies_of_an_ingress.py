"""The dependencies of an ingress replica over a real home: what is listed, and how it is."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.auth.bootstrap import bootstrap
from cluster.health.report import DependencyStatus
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.cache.config import CacheConfig
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.contracts.scaling import ServeSnapshot
from deployments.ingress.cluster_view import ClusterView
from deployments.ingress.config import IngressConfig, ModelSettings
from deployments.ingress.health.config import HealthConfig, OwnCheckSpec
from deployments.ingress.services import AppServices
from deployments.ingress.tenant_services import TenantServices
from deployments.ingress.wiring import build_services
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.video.config import VideoConfig


class OneCard:
    """A model that tells what it is."""

    async def card(self) -> ModelCard:
        return ModelCard("nano", "echo", "echo", "1", 100, 0)


class Alone:
    """One model, no other replicas, and a controller that does not answer."""

    models: Mapping[str, Any] = {"nano": OneCard()}
    embedders: Mapping[str, Any] = {}
    classifiers: Mapping[str, Any] = {}
    analyzer = shared = media_reader = collection_search = None
    last_status: ServeSnapshot | None = None

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        return []

    async def status(self) -> ServeSnapshot | None:
        return None

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        return {}

    async def count_answers(self, deployment: str) -> int:
        return 0


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[AppServices]:
    settings, clock, alone = Settings(home=tmp_path / "home"), SystemClock(), Alone()
    bootstrap(settings.home, settings)
    own = OwnCheckSpec("nowhere", "tcp://127.0.0.1:1", "Nothing.", is_private=True)
    config = IngressConfig(
        ModelSettings("nano", {}, {}, {}),
        CacheConfig(archive="answers"),
        VideoConfig(),
        health=HealthConfig((own,), 2),
    )
    tenancy = TenantServices(settings, MemoryAuthority(clock), {}, clock)
    made, caches = build_services(
        settings, clock, tenancy, alone, config, ClusterView(alone, alone), lambda _: None
    )
    await tenancy.start()
    await caches.start()
    await made.start()
    yield made
    await made.close()
    await tenancy.close()


async def found(services: AppServices, *names: str) -> dict[str, DependencyStatus]:
    """The dependencies once the states of these are known."""
    assert services.health is not None
    async with asyncio.timeout(20):
        while True:
            by_name = {each.name: each for each in services.health.report().dependencies}
            if by_name and all(by_name[name].state != "unknown" for name in names):
                return by_name
            await asyncio.sleep(0.02)


async def test_every_dependency_is_listed_with_its_consequence(services: AppServices) -> None:
    dependencies = await found(services)

    assert set(dependencies) == {
        "store", "redis", "limiter", "cache:shared", "cache:archive", "webhooks", "library",
        "ray:gcs", "serve:controller", "haproxy", "blobs", "clipper", "media", "sandbox", "ffmpeg",
        "text", "search", "disk:home", "disk:scratch", "clock", "otlp", "own:nowhere", "model:nano",
    }  # fmt: skip
    assert all(each.consequence for each in dependencies.values())


async def test_what_works_is_up_and_what_is_not_configured_is_off(services: AppServices) -> None:
    up = (
        "store",
        "limiter",
        "blobs",
        "cache:archive",
        "webhooks",
        "library",
        "clock",
        "model:nano",
    )
    other = ("redis", "cache:shared", "ray:gcs", "serve:controller", "own:nowhere")

    states = {name: each.state for name, each in (await found(services, *up, *other)).items()}

    assert {name: states[name] for name in up} == dict.fromkeys(up, "up")
    assert (states["redis"], states["cache:shared"], states["ray:gcs"]) == ("off", "off", "off")
    assert (states["serve:controller"], states["own:nowhere"]) == ("down", "down")
    assert states["clipper"] == "unknown"


async def test_processes_are_not_probed_while_a_replica_starts(services: AppServices) -> None:
    dependencies = await found(services, "store", "own:nowhere")

    assert (dependencies["sandbox"].state, dependencies["ffmpeg"].state) == ("unknown", "unknown")


async def test_figures_for_a_scrape_are_what_the_checks_have_found(services: AppServices) -> None:
    assert services.health is not None
    await found(services, "store", "redis")

    figures = services.health.figures()

    assert (figures["store"].kind, figures["store"].up) == ("store", 1.0)
    assert figures["store"].checks >= 1
    assert figures["store"].latency_s is not None
    assert (figures["redis"].kind, figures["redis"].up) == ("limits", None)
