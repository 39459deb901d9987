"""A world with documents, for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.documents.documents_world import DocumentsWorld, WordsEmbedder, opened_documents
from tests.api.fakes import Records
from tests.api.web import MakeServices


@pytest.fixture
def embedder() -> WordsEmbedder:
    return WordsEmbedder()


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text model reads as much as others do."""
    monkeypatch.setattr("tests.api.fakes.CONTEXT", 8_192)


@pytest.fixture
async def world(
    make_services: MakeServices, records: Records, tmp_path: Path
) -> AsyncIterator[DocumentsWorld]:
    async with opened_documents(tmp_path, make_services(), records) as world:
        yield world
