"""A world with batches, for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.batches.batch_world import BatchWorld, opened
from tests.api.fakes import Records
from tests.api.web import MakeServices


@pytest.fixture
async def world(
    make_services: MakeServices, records: Records, tmp_path: Path
) -> AsyncIterator[BatchWorld]:
    async with opened(tmp_path, make_services(), records) as world:
        yield world
