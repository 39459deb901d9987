"""A document is read in a child of its own: it is confined, and leaves nothing behind."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.blobs.files import StoredObject
from cluster.runtime.problems import NotFound
from cluster.tenants.caller import Caller
from deployments.contracts.documents import (
    DocumentBlock,
    DocumentLimits,
    DocumentPart,
    ReadDocumentRequest,
)
from deployments.documents.reading.errors import DocumentTooLarge, ReadingTimeout
from deployments.documents.reading.reader import ConfinedDocumentReader
from load_tests.benchmarks.content.bad_documents import ZOO
from load_tests.benchmarks.content.made_documents import as_pdf, as_text, made_pages

REQUEST = ReadDocumentRequest("r1", Caller("acme", "k", frozenset()), "documents/a")


class Bench:
    """A reader of one stored file."""

    def __init__(self, folder: Path) -> None:
        self.scratch = folder / "scratch"
        self.content = b""
        self.reader = ConfinedDocumentReader(self, self.scratch)

    async def fetch(self, tenant: str, path: str, file: Path) -> StoredObject:
        if (tenant, path) != ("acme", REQUEST.path):
            raise NotFound(f"There is no file {path}.")
        await asyncio.to_thread(file.write_bytes, self.content)
        sha256 = hashlib.sha256(self.content).hexdigest()
        return StoredObject(path, len(self.content), sha256, "", 0.0, None, tenant, "p")

    async def read(self, **changes: Any) -> list[DocumentPart]:
        async with aclosing(self.reader.read_document(replace(REQUEST, **changes))) as parts:
            return [part async for part in parts]

    @property
    def left(self) -> list[Path]:
        return list(self.scratch.iterdir()) if self.scratch.exists() else []


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.reader.close()


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    ]


async def test_a_document_is_facts_and_then_blocks_of_whole_pages(bench: Bench) -> None:
    pages = made_pages(25)
    bench.content = as_pdf(pages)
    first, *others = await bench.read()
    assert first.facts is not None
    digest = hashlib.sha256(bench.content).hexdigest()
    assert (first.facts.sha256, first.facts.bytes) == (digest, len(bench.content))
    assert (first.facts.format, first.facts.pages) == ("pdf", 25)
    blocks = [block for part in others for block in part.blocks]
    headings = [block for block in blocks if block.kind == "heading"]
    assert [(block.page, block.text) for block in headings] == [
        (number, page.heading) for number, page in enumerate(pages, start=1)
    ]
    assert len(others) > 1
    assert others[-1].pages_done == 25
    assert bench.left == []


async def test_what_a_child_refuses_is_raised_by_name(bench: Bench) -> None:
    bench.content = as_text(made_pages(3))
    with pytest.raises(DocumentTooLarge, match="max_characters") as refused:
        await bench.read(limits=DocumentLimits(max_characters=100))
    assert refused.value.extensions["limit"] == 100
    with pytest.raises(DocumentTooLarge, match="max_bytes"):
        await bench.read(limits=DocumentLimits(max_bytes=10))
    with pytest.raises(NotFound):
        await bench.read(path="documents/other")
    assert bench.left == []


async def test_a_caller_who_leaves_ends_the_child(bench: Bench) -> None:
    bench.content = as_text(made_pages(2_000))
    before = children()
    parts = bench.reader.read_document(REQUEST)
    first = await anext(parts)
    assert first.facts is not None
    await parts.aclose()
    assert children() == before
    assert bench.left == []


async def test_time_that_runs_out_is_said(bench: Bench) -> None:
    bench.content = b"Text."
    before = children()
    with pytest.raises(ReadingTimeout):
        await bench.read(timeout_s=0.01)
    assert children() == before


async def test_documents_wait_for_each_other(bench: Bench) -> None:
    bench.content = b"# Head\n\nText."
    found = await asyncio.gather(*[bench.read(name="a.md") for _ in range(3)])
    assert [list(parts[-1].blocks) for parts in found] == [
        [DocumentBlock(1, "heading", "Head", 1), DocumentBlock(1, "text", "Text.")]
    ] * 3


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ZOO)
async def test_the_zoo_is_refused_within_its_limits(bench: Bench, name: str) -> None:
    bad = ZOO[name]
    bench.content = bad.make()
    before = children()
    changes = {"name": bad.name, "password": bad.password}
    if bad.refusal is None:
        blocks = [block for part in await bench.read(**changes) for block in part.blocks]
        assert bad.words in "\n".join([block.text for block in blocks])
    else:
        with pytest.raises(bad.refusal, match=bad.words or None):
            await bench.read(**changes)
    assert children() == before
    assert bench.left == []
