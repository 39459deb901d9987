"""Reads documents of tenants, each in one confined child, which ends with it.

In: ReadDocumentRequests. Out: DocumentParts as the child has them. Nothing of a stranger's document
is parsed in this process: of what the child writes, sizes, kinds and order are checked.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Protocol

import msgspec

from cluster.blobs.files import StoredObject
from deployments.contracts.documents import (
    DOCUMENTS,
    BlockKind,
    DocumentBlock,
    DocumentFacts,
    DocumentFormat,
    DocumentPart,
    ReadDocumentRequest,
)
from deployments.documents.reading.errors import (
    DocumentDamaged,
    DocumentTooLarge,
    ReadingTimeout,
    from_wire,
)
from deployments.documents.reading.formats import PDF_WITHIN
from deployments.documents.reading.part_files import ANNOUNCED, part_name
from deployments.sandbox import ChildLimits, private_folder, python_child
from deployments.sandbox.errors import (
    Cancelled,
    MediaDamaged,
    MediaTimeout,
    MediaTooLarge,
    SandboxFailed,
)
from deployments.sandbox.folders import link_input, read_output

AT_ONCE = 2  # documents that are read side by side in one process
MEMORY_BYTES = 1 << 30
CPU_S = 300
OCR_MEMORY_BYTES = 4 << 30  # address space, of which little is used
_PART_BYTES = 128 << 20
_CHILD = "deployments.documents.reading.worker"
_END = 0  # no part has this number
MESSAGE_CHARACTERS, MESSAGE_BLOCKS = 1_000_000, 10_000  # a message over a link is bounded

_Page = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class _WireFacts(msgspec.Struct):
    format: DocumentFormat
    pages: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    title: Annotated[str, msgspec.Meta(max_length=1_000)]
    by: Annotated[str, msgspec.Meta(max_length=100)]


class _WirePart(msgspec.Struct):
    facts: _WireFacts | None
    blocks: list[
        tuple[_Page, BlockKind, str, Annotated[int, msgspec.Meta(ge=0, le=6)], tuple[float, ...]]
    ]
    pages_done: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    notes: list[Annotated[str, msgspec.Meta(max_length=500)]]


class FetchedFiles(Protocol):
    """Tenants' files; of TenantFiles only what is needed here."""

    async def fetch(self, tenant: str, path: str, file: Path) -> StoredObject:
        """Raises NotFound, BlobStoreUnavailable."""
        ...


class ConfinedDocumentReader:
    """Implements `DocumentReader`. Use it on one event loop; close it. Others wait while AT_ONCE
    documents are read. Private folders are made in `scratch`."""

    def __init__(self, files: FetchedFiles, scratch: Path, at_once: int = AT_ONCE) -> None:
        self._files = files
        self._scratch = scratch
        self._threads = ThreadPoolExecutor(at_once, "documents")

    async def read_document(
        self, request: ReadDocumentRequest
    ) -> AsyncGenerator[DocumentPart, None]:
        """Raises the problems of errors.py, NotFound, BlobStoreUnavailable, ScratchFull,
        SandboxFailed, SandboxUnavailable."""
        with private_folder(self._scratch) as folder:
            path = folder / "source"  # where the child cannot write: it may be the stored file
            work = folder / "work"
            work.mkdir(mode=0o700)
            stored = await self._files.fetch(request.caller.tenant, request.path, path)
            if stored.bytes > request.limits.max_bytes:
                raise DocumentTooLarge("max_bytes", request.limits.max_bytes, stored.bytes)
            reading = _ChildReading(request, path, work, stored)
            loop, left = asyncio.get_running_loop(), Event()
            numbers: asyncio.Queue[int] = asyncio.Queue()

            def announce(number: int) -> None:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(numbers.put_nowait, number)

            running = self._threads.submit(reading.run, announce, left.is_set)
            child = asyncio.wrap_future(running)
            child.add_done_callback(lambda _: numbers.put_nowait(_END))
            try:
                while number := await numbers.get():
                    for part in await asyncio.to_thread(reading.parts, number):
                        yield part
                await child
            finally:
                left.set()
                if not running.cancel():  # the folder is removed after its end
                    await asyncio.wait([child])

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _ChildReading:
    """Of one document."""

    def __init__(
        self, request: ReadDocumentRequest, source: Path, folder: Path, stored: StoredObject
    ) -> None:
        self._request, self._stored = request, stored
        self._source, self._folder = source, folder
        self._characters, self._pages_done = 0, 0

    def run(self, announce: Callable[[int], None], cancel: Callable[[], bool]) -> None:
        """Blocks until the child has ended. Raises as read_document does."""
        request, limits = self._request, self._request.limits
        with_ocr = request.ocr and find_spec("rapidocr") is not None and self._is_pdf()
        wire = {
            "name": request.name[:300],
            "media_type": request.media_type[:200],
            "password": request.password[:1_000],
            "ocr": request.ocr,
            "first_page": request.first_page,
            "max_pages": limits.max_pages,
            "max_characters": limits.max_characters,
        }
        bounds = ChildLimits(
            memory_bytes=OCR_MEMORY_BYTES if with_ocr else MEMORY_BYTES,
            cpu_s=max(CPU_S, round(2 * request.timeout_s)) if with_ocr else CPU_S,
            wall_s=max(0.1, request.timeout_s),
            output_bytes=_PART_BYTES,
        )

        def on_line(line: str) -> None:
            number = line.removeprefix(ANNOUNCED)
            if line.startswith(ANNOUNCED) and number.isdecimal() and len(number) < 9:
                announce(int(number))

        try:
            with link_input(self._source, self._folder) as (name, readable):
                answer = python_child(
                    _CHILD,
                    {"source": name, **wire},
                    self._folder,
                    limits=bounds,
                    cancel=cancel,
                    on_line=on_line,
                    readable=readable,
                )
        except Cancelled:
            return
        except MediaTimeout as problem:
            raise ReadingTimeout(DOCUMENTS, round(request.timeout_s, 3)) from problem
        except MediaTooLarge as problem:
            field, limit = problem.extensions["field"], problem.extensions["limit"]
            raise DocumentTooLarge(str(field), float(limit or 0)) from problem
        except MediaDamaged as problem:
            why = "crashed its parser, or needs more memory than one document may take"
            raise DocumentDamaged(why) from problem
        if isinstance(answer.get("problem"), dict):
            raise from_wire(answer["problem"])

    def _is_pdf(self) -> bool:
        with self._source.open("rb") as file:
            return b"%PDF-" in file.read(PDF_WITHIN)

    def parts(self, number: int) -> list[DocumentPart]:
        """As many as its size takes; the last says how far it goes. Raises
        SandboxFailed for what is not as a child writes it."""
        path = self._folder / part_name(number)
        content = read_output(path, _PART_BYTES)
        with suppress(OSError):
            path.unlink()
        try:
            part = msgspec.json.decode(content or b"", type=_WirePart)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
            raise SandboxFailed from error
        blocks = tuple([_block(each) for each in part.blocks])
        self._characters += sum(len(block.text) for block in blocks)
        if self._characters > self._request.limits.max_characters:
            raise SandboxFailed
        facts = None if part.facts is None else self._facts(part.facts)
        *before, last = _messages(blocks)
        found = [DocumentPart(blocks=each, pages_done=self._pages_done) for each in before]
        self._pages_done = max(self._pages_done, part.pages_done)
        found.append(DocumentPart(None, last, self._pages_done, tuple(part.notes)))
        found[0] = replace(found[0], facts=facts)
        return found

    def _facts(self, facts: _WireFacts) -> DocumentFacts:
        stored = self._stored
        return DocumentFacts(
            facts.format, stored.sha256, stored.bytes, facts.pages, facts.title, facts.by
        )


def _messages(blocks: tuple[DocumentBlock, ...]) -> list[tuple[DocumentBlock, ...]]:
    messages: list[tuple[DocumentBlock, ...]] = []
    first = characters = 0
    for at, block in enumerate(blocks):
        if characters > MESSAGE_CHARACTERS or at - first >= MESSAGE_BLOCKS:
            messages.append(blocks[first:at])
            first, characters = at, 0
        characters += len(block.text)
    return [*messages, blocks[first:]]


def _block(data: tuple[Any, ...]) -> DocumentBlock:
    page, kind, text, level, box = data
    return DocumentBlock(page, kind, text, level, box if len(box) == 4 else ())
