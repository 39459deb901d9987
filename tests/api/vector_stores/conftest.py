"""A world with vector stores, for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest

from tests.api.documents.documents_world import THEIRS, WordsEmbedder
from tests.api.fakes import Records
from tests.api.vector_stores.store_world import StoreWorld, opened_stores
from tests.api.web import MakeServices


@pytest.fixture
def embedder() -> WordsEmbedder:
    return WordsEmbedder()


@pytest.fixture
async def world(
    make_services: MakeServices, records: Records, tmp_path: Path
) -> AsyncIterator[StoreWorld]:
    async with opened_stores(tmp_path, make_services(), records) as world:
        yield world


@pytest.fixture
async def ours(world: StoreWorld) -> AsyncIterator[openai.AsyncOpenAI]:
    async with world.client() as client:
        yield client


@pytest.fixture
async def theirs(world: StoreWorld) -> AsyncIterator[openai.AsyncOpenAI]:
    async with world.client(THEIRS) as client:
        yield client
