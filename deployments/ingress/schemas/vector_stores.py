"""OpenAI's vector stores: what callers send, and what they get. Instants are Unix seconds."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from deployments.ingress.schemas.batches import FileId
from deployments.ingress.schemas.file_search import (
    AttributeFilter,
    AttributeName,
    MaxFound,
    Number,
    RankingOptions,
    Word,
)
from deployments.ingress.schemas.lenient import HintedBody, LenientPart
from deployments.ingress.schemas.text import check_characters
from deployments.vector_stores.model import MAX_BATCH

MAX_ATTRIBUTES = 16
MAX_QUERIES = 16  # of one search
MAX_QUERY = 4_096  # characters of one

Name = Annotated[str, Field(max_length=256), AfterValidator(check_characters)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=MAX_ATTRIBUTES),
]
Attributes = Annotated[dict[AttributeName, Word | bool | Number], Field(max_length=MAX_ATTRIBUTES)]
FileIds = Annotated[list[FileId], Field(max_length=MAX_BATCH)]
Query = Annotated[str, Field(min_length=1, max_length=MAX_QUERY), AfterValidator(check_characters)]
Status = Literal["in_progress", "completed", "failed", "cancelled"]


class StoreExpiresAfter(LenientPart):
    """The store is deleted so many days after it was last searched or changed."""

    anchor: Literal["last_active_at"] = "last_active_at"
    days: Annotated[int, Field(ge=1, le=365)]


class AutoChunking(LenientPart):
    """As documents are cut otherwise: 180 words, 30 of them of the chunk before, never across
    headings."""

    type: Literal["auto"]


class ChunkSizes(LenientPart):
    """Counted as four tokens to three words. A chunk is never longer than embedding models read."""

    max_chunk_size_tokens: Annotated[int, Field(ge=100, le=4_096)] = 800
    chunk_overlap_tokens: Annotated[int, Field(ge=0, le=2_048)] = 400

    @model_validator(mode="after")
    def _overlaps_at_most_by_half(self) -> Self:
        if 2 * self.chunk_overlap_tokens > self.max_chunk_size_tokens:
            raise ValueError("chunk_overlap_tokens: is over half of max_chunk_size_tokens")
        return self


class StaticChunking(LenientPart):
    """Cut so."""

    type: Literal["static"]
    static: ChunkSizes


def _chunking_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "static" if kind == "static" else "auto"


ChunkingStrategy = Annotated[
    Annotated[AutoChunking, Tag("auto")] | Annotated[StaticChunking, Tag("static")],
    Discriminator(_chunking_kind),
]


class VectorStoreCreate(LenientPart):
    """Body of `POST /v1/vector_stores`. Its points are made by the tenant's default embedding
    model."""

    model_config = ConfigDict(
        extra="ignore",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"name": "handbook", "file_ids": []}},
    )

    name: Name | None = None
    description: Annotated[str, Field(max_length=1_000), AfterValidator(check_characters)] = ""
    metadata: Metadata | None = None
    expires_after: StoreExpiresAfter | None = None
    file_ids: FileIds | None = None
    chunking_strategy: ChunkingStrategy | None = None


class VectorStorePatch(LenientPart):
    """Body of `POST /v1/vector_stores/{id}`; what is left out stays. `expires_after` null: it does
    not expire."""

    model_config = ConfigDict(
        extra="ignore",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"name": "handbook of 2026"}},
    )

    name: Name | None = None
    metadata: Metadata | None = None
    expires_after: StoreExpiresAfter | None = None


class VectorStoreSearchBody(LenientPart, HintedBody):
    """Body of `POST /v1/vector_stores/{id}/search`. Of several queries each passage has its best
    score. Queries are not rewritten."""

    model_config = ConfigDict(
        extra="ignore",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"query": "How long is the warranty?"}},
    )
    hints = {"rewrite_query": (None, False)}

    query: Query | Annotated[list[Query], Field(min_length=1, max_length=MAX_QUERIES)]
    filters: AttributeFilter | None = None
    max_num_results: MaxFound = 10
    ranking_options: RankingOptions | None = None
    rewrite_query: bool | None = None

    @property
    def queries(self) -> list[str]:
        return [self.query] if isinstance(self.query, str) else self.query


class VectorStoreFileCreate(LenientPart):
    """Body of `POST /v1/vector_stores/{id}/files`: a file of `/v1/files`. `attributes` are what
    searches filter by."""

    model_config = ConfigDict(
        extra="ignore",
        strict=True,
        frozen=True,
        json_schema_extra={
            "example": {
                "file_id": "file-0123456789abcdef01234567",
                "attributes": {"year": 2026},
            }
        },
    )

    file_id: FileId
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None


class VectorStoreFilePatch(LenientPart):
    """Body of `POST /v1/vector_stores/{id}/files/{file_id}`."""

    model_config = ConfigDict(
        extra="ignore",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"attributes": {"year": 2026}}},
    )

    attributes: Attributes | None


class StoreFileBatchCreate(LenientPart):
    """Body of `POST /v1/vector_stores/{id}/file_batches`: `file_ids`, which share attributes and
    chunking, or `files` with their own."""

    model_config = ConfigDict(
        extra="ignore",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"file_ids": ["file-0123456789abcdef01234567"]}},
    )

    file_ids: Annotated[list[FileId], Field(min_length=1, max_length=MAX_BATCH)] | None = None
    files: (
        Annotated[list[VectorStoreFileCreate], Field(min_length=1, max_length=MAX_BATCH)] | None
    ) = None
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None

    @model_validator(mode="after")
    def _has_one_kind_of_files(self) -> Self:
        if (self.file_ids is None) == (self.files is None):
            raise ValueError("either file_ids or files must be given")
        return self


class StoreFileCounts(BaseModel):
    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class VectorStoreObject(BaseModel):
    """A vector store. `usage_bytes` are those of texts, attributes and vectors."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: int
    name: str
    description: str
    usage_bytes: int
    file_counts: StoreFileCounts
    status: Literal["in_progress", "completed"]
    expires_after: StoreExpiresAfter | None
    expires_at: int | None
    last_active_at: int
    metadata: dict[str, str]


class VectorStoreList(BaseModel):
    """A page of vector stores."""

    object: Literal["list"] = "list"
    data: list[VectorStoreObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedVectorStore(BaseModel):
    id: str
    object: Literal["vector_store.deleted"] = "vector_store.deleted"
    deleted: Literal[True] = True


class FoundText(BaseModel):
    type: Literal["text"] = "text"
    text: str


class VectorStoreFound(BaseModel):
    """A passage; `score` is from 0 to 1."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, str | float | bool]
    content: list[FoundText]


class VectorStoreFoundPage(BaseModel):
    """What was found, best first."""

    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: list[str]
    data: list[VectorStoreFound]
    has_more: Literal[False] = False
    next_page: None = None


class StoreFileError(BaseModel):
    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str


class StoreFileChunking(BaseModel):
    type: Literal["static"] = "static"
    static: ChunkSizes


class VectorStoreFileObject(BaseModel):
    """A file in a vector store. `usage_bytes` is its size, once it is searched."""

    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    created_at: int
    vector_store_id: str
    status: Status
    last_error: StoreFileError | None
    usage_bytes: int
    attributes: dict[str, str | float | bool]
    chunking_strategy: StoreFileChunking


class VectorStoreFileList(BaseModel):
    """A page of files."""

    object: Literal["list"] = "list"
    data: list[VectorStoreFileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedVectorStoreFile(BaseModel):
    id: str
    object: Literal["vector_store.file.deleted"] = "vector_store.file.deleted"
    deleted: Literal[True] = True


class VectorStoreFileContent(BaseModel):
    """What a file says, block by block."""

    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    data: list[FoundText]
    has_more: Literal[False] = False
    next_page: None = None


class StoreFileBatchObject(BaseModel):
    """Files that were put into a vector store together."""

    id: str
    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    created_at: int
    vector_store_id: str
    status: Status
    file_counts: StoreFileCounts


class VectorStoreListQuery(BaseModel):
    """Which objects: those after, or before, the one with the id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: Annotated[str, Field(max_length=64)] | None = None
    before: Annotated[str, Field(max_length=64)] | None = None


class VectorStoreFileListQuery(VectorStoreListQuery):
    """Which files; `filter` is how they stand."""

    filter: Status | None = None
