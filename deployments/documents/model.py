"""Documents as values, and what refuses them.

DocumentQuotaExceeded   409 document-quota-exceeded   too many, or too much text, of a tenant
DocumentNotIndexed      409 document-not-indexed      not yet; Retry-After, or it has failed
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cluster.runtime.problems import Conflict, NotFound

DocumentState = Literal["reading", "readable", "indexed", "failed"]
PlaceState = Literal["waiting", "indexed"]
DEFAULT_COLLECTION = "documents"
MAX_TITLE = 500  # characters
RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class DocumentQuota:
    """Of each tenant. `characters` are those of all its documents."""

    documents: int = 10_000
    characters: int = 1 << 30


@dataclass(frozen=True, slots=True)
class TenantDocument:
    """`sha256` None: its bytes are still to be fetched. `problem` says why it failed, `notes` what
    of it could not be read. Times are Unix seconds."""

    id: str
    tenant: str
    key: str
    name: str
    sha256: str | None
    state: DocumentState
    created: float
    updated: float
    format: str = ""
    by: str = ""
    title: str = ""
    language: str = ""
    bytes: int = 0
    pages: int = 0
    blocks: int = 0
    chunks: int = 0
    characters: int = 0
    notes: Sequence[str] = ()
    problem: Mapping[str, Any] | None = None
    job: str | None = None

    @property
    def is_read(self) -> bool:
        return self.state in ("readable", "indexed")


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """Block `number`, from 0, in reading order; the rest is as in DocumentBlock."""

    number: int
    page: int
    kind: str
    text: str
    level: int = 0
    box: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """What is indexed as one: from code point `start` of block `block` up to `end` of block
    `last_block`. `heading` is the path of headings above it."""

    number: int
    page: int
    block: int
    start: int
    last_block: int
    end: int
    text: str = field(repr=False)
    heading: str = ""

    @property
    def indexed_text(self) -> str:
        """What is searched and embedded: the chunk below its headings."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


@dataclass(frozen=True, slots=True)
class NewPlace:
    """A collection that a document is to be indexed in. `options` may have `words` and `overlap` of
    a chunk, and `payload`, which every point has beside."""

    collection: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """A collection with `points` of a document, or fewer where it was stopped in between."""

    collection: str
    state: PlaceState
    points: int
    options: Mapping[str, Any]

    def as_new(self) -> NewPlace:
        return NewPlace(self.collection, self.options)


class DocumentQuotaExceeded(Conflict):
    slug, title = "document-quota-exceeded", "Too many documents are stored"

    def __init__(self, field: str, limit: int) -> None:
        super().__init__(
            f"{field}: at most {limit} of a tenant's documents; delete some first.", limit=limit
        )


class DocumentNotIndexed(Conflict):
    """`problem` None: it will be; else it never will."""

    slug, title = "document-not-indexed", "The document is not indexed"

    def __init__(self, document: str, problem: Mapping[str, Any] | None = None) -> None:
        if problem is None:
            detail = f"Document '{document}' is not indexed yet."
            super().__init__(detail, document=document, retry_after_s=RETRY_S)
        else:
            why = str(problem.get("detail", ""))[:400]
            super().__init__(f"Document '{document}' has failed: {why}", document=document)

    @property
    def will_be(self) -> bool:
        return "retry_after_s" in self.extensions


def new_document_id() -> str:
    return f"doc_{secrets.token_hex(12)}"


def no_document(id: str) -> NotFound:
    return NotFound(f"There is no document '{id[:64]}'.", param="document")
