"""A filled store, made once and copied for each test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.runtime.settings import Settings
from deployments.ingress.services import AppServices
from tests.api.administration.world import Seed, World, rows_of, seeded, world_of
from tests.api.fake_services import Fakes, services_over
from tests.api.web import MakeServices

NewWorld = Callable[[], AbstractAsyncContextManager[World]]


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    return asyncio.run(seeded(Settings(home=tmp_path_factory.mktemp("seed") / "home")))


@pytest.fixture
def new_world(seed: Seed, make_services: MakeServices, tmp_path: Path) -> NewWorld:
    """As many fresh worlds as a test wants."""
    made = iter(range(1000))
    return lambda: world_of(seed, tmp_path / f"home-{next(made)}", make_services)


@pytest.fixture
async def world(new_world: NewWorld) -> AsyncIterator[World]:
    async with new_world() as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unchanged_world(
    seed: Seed, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """One for all tests of a module that change nothing; they are marked ON_ITS_LOOP."""
    home = tmp_path_factory.mktemp("unchanged") / "home"

    def make(**settings: object) -> AppServices:
        return services_over(Fakes(), home, lambda _: None, **settings)

    async with world_of(seed, home, make) as world:
        before = await rows_of(world)
        yield world
        assert await rows_of(world) == before, "a test with `unchanged_world` has changed it"
