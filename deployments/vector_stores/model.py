"""Vector stores, their files and batches of these as values; what refuses them.

VectorStoreFull   409 vector-store-full   it has MAX_FILES files
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cluster.collections.model import Collection
from cluster.runtime.problems import Conflict, NotFound
from deployments.vector_stores.passages import AttributeValue

FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]
STATUSES: tuple[FileStatus, ...] = ("in_progress", "completed", "failed", "cancelled")
MAX_FILES = 10_000  # of a store
MAX_BATCH = 2_000  # files of a batch
DAY_S = 86_400.0
# What a chunk of documents has, about: 180 words, 30 of them of the chunk before.
TOKENS, OVERLAP_TOKENS = 240, 40
WORDS_OF_TOKENS = 0.75  # words of English text are about so many of its tokens
INDEX_FILES_JOB = "vector_store_files"  # the kind of jobs that make documents of files


class VectorStoreFull(Conflict):
    slug, title = "vector-store-full", "The vector store has too many files"

    def __init__(self) -> None:
        super().__init__(f"A vector store has at most {MAX_FILES} files.", limit=MAX_FILES)


@dataclass(frozen=True, slots=True)
class VectorStore:
    """`collection` has its points; `counts` how many of its files stand how."""

    collection: Collection
    name: str
    attributes: Mapping[str, str]
    created: float
    counts: Mapping[FileStatus, int]

    @property
    def id(self) -> str:
        return self.collection.id


@dataclass(frozen=True, slots=True)
class Chunking:
    """In tokens, about. None: as documents are cut otherwise."""

    tokens: int | None = None
    overlap: int | None = None

    def options(self) -> dict[str, int]:
        """Of a document's place in a collection."""
        if self.tokens is None or self.overlap is None:
            return {}
        return {
            "words": int(self.tokens * WORDS_OF_TOKENS),
            "overlap": int(self.overlap * WORDS_OF_TOKENS),
        }

    def to_json(self) -> dict[str, int]:
        if self.tokens is None or self.overlap is None:
            return {}
        return {"tokens": self.tokens, "overlap": self.overlap}


@dataclass(frozen=True, slots=True)
class NewStoreFile:
    """A file to put into a store."""

    file: str
    name: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    chunking: Chunking = Chunking()


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A file in a store. `error` has a code and a message. `bytes` are those of the file, once it
    is found by searches."""

    store: str
    file: str
    tenant: str
    name: str
    key: str
    status: FileStatus
    document: str | None
    owns_document: bool
    batch: str | None
    attributes: Mapping[str, AttributeValue]
    chunking: Chunking
    error: Mapping[str, Any] | None
    bytes: int
    created: float


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Files that were put into a store together."""

    id: str
    store: str
    cancelled: bool
    created: float
    counts: Mapping[FileStatus, int]

    @property
    def status(self) -> FileStatus:
        if self.counts["in_progress"]:
            return "in_progress"
        if self.cancelled:
            return "cancelled"
        total = sum(self.counts.values())
        return "failed" if total and self.counts["failed"] == total else "completed"


def new_batch_id() -> str:
    return f"vsfb_{secrets.token_hex(12)}"


def point_payload(name: str, file: str, attributes: Mapping[str, AttributeValue]) -> dict[str, Any]:
    """What every point of a file says beside its place in the document."""
    return {"file": file, "filename": name, "attributes": dict(attributes)}


def no_store(id: str) -> NotFound:
    return NotFound(f"There is no vector store '{id[:64]}'.", param="vector_store")


def no_store_file(id: str) -> NotFound:
    return NotFound(f"There is no file '{id[:64]}' in this vector store.", param="file")


def no_file_batch(id: str) -> NotFound:
    return NotFound(f"There is no batch '{id[:64]}' in this vector store.", param="batch")
