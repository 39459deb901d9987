"""A world with recordings, for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.audio.audio_world import AudioWorld, opened_audio
from tests.api.fakes import Records
from tests.api.web import MakeServices


@pytest.fixture
async def world(
    make_services: MakeServices, records: Records, tmp_path: Path
) -> AsyncIterator[AudioWorld]:
    async with opened_audio(tmp_path, make_services(), records) as world:
        yield world
