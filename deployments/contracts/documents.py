"""Documents as they cross stages: files of tenants in, blocks of text out.

These values are pickled, or sent over links as msgpack, between processes. They know nothing of
HTTP, of parsers and of Ray. Offsets are code points.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller, Priority

DOCUMENTS = "documents"  # the name of this work in usage, limits and logs
DOCUMENT_JOB = "document"  # the kind of jobs that read and index documents
MAX_DOCUMENT_BYTES = 200 << 20
MAX_PAGES = 5_000
MAX_DOCUMENT_CHARACTERS = 20_000_000

DocumentFormat = Literal["pdf", "docx", "pptx", "html", "markdown", "text"]
BlockKind = Literal["heading", "text", "list", "table", "note"]
FORMATS: tuple[DocumentFormat, ...] = ("pdf", "docx", "pptx", "html", "markdown", "text")


@version_tolerant
@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What one document may have; more is refused by name."""

    max_pages: int = MAX_PAGES
    max_characters: int = MAX_DOCUMENT_CHARACTERS
    max_bytes: int = MAX_DOCUMENT_BYTES


@version_tolerant
@dataclass(frozen=True, slots=True)
class ReadDocumentRequest:
    """What does the document at `path` of the caller's tenant say? `name` and `media_type` are the
    sender's and decide only between formats that have no signature (text, Markdown, HTML). `ocr`:
    pages of pictures are recognised, where it is installed. `first_page` is where an earlier
    reading ended (1: the beginning). `password` opens an encrypted PDF. `timeout_s` is the rest of
    the caller's deadline at the time of sending. `trace` is the call's span, `trace_state` as in
    GenerateRequest."""

    request_id: str
    caller: Caller
    path: str
    name: str = ""
    media_type: str = ""
    password: str = ""
    ocr: bool = True
    first_page: int = 1
    limits: DocumentLimits = DocumentLimits()
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    trace: str = ""
    trace_state: str = ""

    @property
    def model(self) -> str:
        """What log lines and problems name."""
        return DOCUMENTS


@version_tolerant
@dataclass(frozen=True, slots=True)
class DocumentBlock:
    """A part of a document in reading order: `page` is from 1 on, `level` of a heading from 1 to 6
    (else 0), `box` the place on the page (left, top, right, bottom; parts of the page's width and
    height from its top left corner), empty where the format knows none. The text of a table has a
    line for each row, with tabs between cells."""

    page: int
    kind: BlockKind
    text: str
    level: int = 0
    box: tuple[float, ...] = ()


@version_tolerant
@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """`pages` is 1 where the format has none. `sha256` and `bytes` are those of the file.
    `by` is `name@version` of what read it."""

    format: DocumentFormat
    sha256: str
    bytes: int
    pages: int
    title: str = ""
    by: str = ""


@version_tolerant
@dataclass(frozen=True, slots=True)
class DocumentPart:
    """Of a reading: first `facts`, then `blocks` of whole pages, in order. `pages_done` is the last
    page that is read. `notes` say what could not be read, and what would make it work."""

    facts: DocumentFacts | None = None
    blocks: tuple[DocumentBlock, ...] = ()
    pages_done: int = 0
    notes: tuple[str, ...] = ()


class DocumentReader(Protocol):
    """Whatever reads documents: a client of the deployment Media, or a reader in this process."""

    def read_document(self, request: ReadDocumentRequest) -> AsyncGenerator[DocumentPart, None]:
        """Raises the refusals of deployments/documents/reading/errors.py, NotFound."""
        ...
