"""A filled store, made once and copied for each test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from cluster.runtime.settings import Settings
from tests.api.administration.world import Seed, World, seeded, world_of
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
