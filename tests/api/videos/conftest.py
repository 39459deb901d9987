"""A world with recordings for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.api.videos.media_world import World, opened
from tests.api.web import MakeServices


@pytest.fixture
async def world(make_services: MakeServices, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path, make_services()) as world:
        yield world


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client() as client:
        yield client
