"""A world with videos to clip, for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.api.clips.clip_world import ClipWorld, opened
from tests.api.fakes import Records
from tests.api.web import MakeServices


@pytest.fixture
async def world(
    make_services: MakeServices, records: Records, tmp_path: Path
) -> AsyncIterator[ClipWorld]:
    async with opened(tmp_path, make_services(), records) as world:
        yield world


@pytest.fixture
async def client(world: ClipWorld) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client() as client:
        yield client
