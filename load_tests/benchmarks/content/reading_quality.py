"""What reading documents is worth, and what it costs.

In: the numbers of pages and documents. Out: words found in every format beside markitdown; CPU time
of 100 pages; what the zoo of bad documents does to the reader, to its neighbours and to its memory.
Documents are read as a replica reads them: each in a confined child. CPU times have the child's
start in them.
"""

import asyncio
import hashlib
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from cluster.blobs.files import StoredObject
from cluster.runtime.problems import NotFound, Problem
from cluster.tenants.caller import Caller
from deployments.contracts.documents import DocumentPart, ReadDocumentRequest
from deployments.documents.reading.reader import ConfinedDocumentReader
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.bad_documents import ZOO, BadDocument
from load_tests.benchmarks.content.made_documents import (
    MAKERS,
    MadePage,
    as_pdf,
    made_pages,
    page_tokens,
    tokens,
)
from load_tests.benchmarks.content.markitdown_program import MarkItDown
from load_tests.benchmarks.content.reading_scores import score_reading

Say = Callable[[str], None]
REQUEST = ReadDocumentRequest("bench", Caller("bench", "k", frozenset()), "document")
SUFFIXES = {"pdf": ".pdf", "docx": ".docx", "pptx": ".pptx", "html": ".html"}  # both read these
_TICK_S = 0.005


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """`pages` of each format; `documents` are read one after the other for the memory."""

    pages: int = 20
    documents: int = 1_000
    with_markitdown: bool = True


class OneDocument:
    """Stored files with one document, which may be exchanged."""

    def __init__(self) -> None:
        self._content, self._digest = b"", ""

    def keep(self, content: bytes) -> None:
        if content is not self._content:
            self._content, self._digest = content, hashlib.sha256(content).hexdigest()

    async def fetch(self, tenant: str, path: str, file: Path) -> StoredObject:
        if path != REQUEST.path:
            raise NotFound(f"There is no file {path}.")
        await asyncio.to_thread(file.write_bytes, self._content)
        return StoredObject(path, len(self._content), self._digest, "", 0.0, None, tenant, path)


class ReadingBench:
    """Use it on one event loop; close it."""

    def __init__(self, scratch: Path) -> None:
        self.stored = OneDocument()
        self._reader = ConfinedDocumentReader(self.stored, scratch)

    async def read(
        self, content: bytes, name: str = "a", password: str = ""
    ) -> tuple[list[DocumentPart], float]:
        """Also the CPU seconds of the child."""
        self.stored.keep(content)
        before, parts = _children_cpu_s(), []
        request = replace(REQUEST, name=name, password=password)
        async with aclosing(self._reader.read_document(request)) as reading:
            parts = [part async for part in reading]
        return parts, _children_cpu_s() - before

    async def close(self) -> None:
        await self._reader.close()


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_tokens(parts: Sequence[DocumentPart]) -> list[str]:
    return [word for part in parts for block in part.blocks for word in tokens(block.text)]


async def measure_reading(options: ReadingOptions, say: Say) -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        bench = ReadingBench(Path(folder) / "scratch")
        try:
            say("reading every format ...")
            found = await _measure_formats(bench, options)
            if options.with_markitdown:
                say("reading them with markitdown ...")
                found += await asyncio.to_thread(_measure_markitdown, options, Path(folder))
            say("reading 100 pages ...")
            found += await _measure_cost(bench)
            say("reading bad documents ...")
            found += await _measure_zoo(bench)
            say(f"reading {options.documents} documents ...")
            return found + await _measure_memory(bench, options.documents)
        finally:
            await bench.close()


async def _measure_formats(bench: ReadingBench, options: ReadingOptions) -> list[Measurement]:
    found = []
    for kind, make in MAKERS.items():
        written = _written(kind, options.pages)
        name = "a.md" if kind == "markdown" else "a"
        parts, cpu_s = await bench.read(make(_pages(kind, options.pages)), name)
        score = score_reading(written, read_tokens(parts))
        found += [
            Measurement(kind, "recall of words", score.recall, at_least=0.995),
            Measurement(kind, "precision of words", score.precision, at_least=0.995),
            Measurement(kind, "order of neighbours", score.order, at_least=0.995),
            Measurement(kind, "CPU", 1000 * cpu_s, "ms"),
        ]
    return found


def _pages(kind: str, pages: int) -> list[MadePage]:
    return made_pages(pages, with_tables="columns" not in kind)


def _written(kind: str, pages: int) -> list[str]:
    made = _pages(kind, pages)
    return [word for page in made for word in page_tokens(page, with_notes=kind == "pptx")]


def _measure_markitdown(options: ReadingOptions, folder: Path) -> list[Measurement]:
    program = MarkItDown.installed()
    found = []
    for kind, make in MAKERS.items():
        suffix = SUFFIXES.get(kind.split(" ", maxsplit=1)[0])
        if suffix is None:
            continue
        file = folder / f"document{suffix}"
        file.write_bytes(make(_pages(kind, options.pages)))
        text, cpu_s = program.convert(file)
        score = score_reading(_written(kind, options.pages), tokens(text))
        part = f"{kind}, markitdown {program.version}"
        found += [
            Measurement(part, "recall of words", score.recall),
            Measurement(part, "precision of words", score.precision),
            Measurement(part, "order of neighbours", score.order),
            Measurement(part, "CPU", 1000 * cpu_s, "ms"),
        ]
    return found


async def _measure_cost(bench: ReadingBench) -> list[Measurement]:
    content = as_pdf(made_pages(100))
    costs = [(await bench.read(content))[1] for _ in range(3)]
    _, start_s = await bench.read(as_pdf(made_pages(1)))
    page_ms = 1000 * (min(costs) - start_s) / 99
    return [
        Measurement("cost", "CPU of a PDF of 100 pages", min(costs), "s", at_most=1.0),
        Measurement("cost", "CPU of a further page", page_ms, "ms"),
    ]


async def _measure_zoo(bench: ReadingBench) -> list[Measurement]:
    """The loop's lag is what other requests of the replica wait because of it."""
    before = len(_children())
    as_named, slowest_s = 0, 0.0
    lags: list[float] = []
    for bad in ZOO.values():
        content = bad.make()
        bench.stored.keep(content)
        ticking = asyncio.create_task(_tick(lags))
        started = _children_cpu_s()
        as_named += await _is_as_named(bench, bad, content)
        if bad.refusal is not None and "memory" not in bad.words:
            slowest_s = max(slowest_s, _children_cpu_s() - started)
        ticking.cancel()
    lags.sort()
    return [
        Measurement("zoo", "bad documents", len(ZOO), at_least=20),
        Measurement("zoo", "as they should be", as_named / len(ZOO), at_least=1.0),
        Measurement("zoo", "CPU of the slowest refusal", slowest_s, "s", at_most=1.0),
        Measurement("zoo", "children left", len(_children()) - before, at_most=0),
        Measurement("zoo", "wait of a neighbour, p99", _p99_ms(lags), "ms", at_most=20.0),
    ]


def _p99_ms(ordered_s: Sequence[float]) -> float:
    return 1000 * ordered_s[int(0.99 * len(ordered_s))]


async def _is_as_named(bench: ReadingBench, bad: BadDocument, content: bytes) -> bool:
    try:
        parts, _ = await bench.read(content, bad.name, bad.password)
    except Problem as problem:
        return type(problem) is bad.refusal and bad.words in str(problem.detail)
    text = "\n".join([block.text for part in parts for block in part.blocks])
    return bad.refusal is None and bad.words in text


async def _tick(lags: list[float]) -> None:
    """Seconds that a wait took too long, on and on."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(_TICK_S)
        lags.append(time.monotonic() - began - _TICK_S)


def _children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


async def _measure_memory(bench: ReadingBench, documents: int) -> list[Measurement]:
    """Kinds in turn; after a tenth of them the memory is noted first."""
    contents = [make(_pages(kind, 2)) for kind, make in MAKERS.items()]
    noted = max(1, documents // 10)
    early = 0
    for number in range(documents):
        await bench.read(contents[number % len(contents)])
        if number + 1 == noted:
            early = psutil.Process().memory_info().rss
    grown = (psutil.Process().memory_info().rss - early) / (1 << 20)
    name = f"memory grown from document {noted} to {documents}"
    return [Measurement("memory", name, grown, "MiB", at_most=50.0)]
