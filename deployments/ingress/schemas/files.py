"""OpenAI's files and batches: what callers send, and what they get. Instants are Unix seconds."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.batches.model import MAX_METADATA
from deployments.files.model import LONGEST_S, SHORTEST_S
from deployments.ingress.schemas.batches import BatchLineError, FileId

FileBatchStatus = Literal[
    "validating",
    "failed",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
]


class _FileBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExpiresAfter(_FileBody):
    """How long a file is kept."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=SHORTEST_S, le=LONGEST_S)]


class FileBatchCreate(_FileBody):
    """Body of `POST /v1/batches`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "input_file_id": "file-0123456789abcdef01234567",
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
            }
        }
    )

    input_file_id: FileId
    endpoint: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            description="The path that each line is a request to, or the name of an operation.",
        ),
    ]
    completion_window: Literal["24h"]
    metadata: Annotated[
        dict[
            Annotated[str, Field(max_length=64)],
            Annotated[str, Field(max_length=512)],
        ]
        | None,
        Field(max_length=MAX_METADATA),
    ] = None
    output_expires_after: ExpiresAfter | None = None


class FileObject(BaseModel):
    """A file. `bytes` of one that a batch writes grow until it ends."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"


class FileList(BaseModel):
    """A page of files."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(BaseModel):
    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class FileListQuery(BaseModel):
    """Which files; `after` is the id of the last one of the page before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: Annotated[str | None, Field(max_length=20)] = None
    after: FileId | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    order: Literal["asc", "desc"] = "desc"


class BatchErrors(BaseModel):
    object: Literal["list"] = "list"
    data: list[BatchLineError]


class BatchRequestCounts(BaseModel):
    total: int
    completed: int
    failed: int


class FileBatchObject(BaseModel):
    """A batch over a file, in OpenAI's form."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: Literal["24h"] = "24h"
    status: FileBatchStatus
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: BatchRequestCounts
    metadata: dict[str, str] | None


class FileBatchList(BaseModel):
    """A page of batches, newest first."""

    object: Literal["list"] = "list"
    data: list[FileBatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileBatchQuery(BaseModel):
    """Which batches; `after` is the id of the last one of the page before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[str | None, Field(max_length=64)] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


def page_of(data: list[Any], *, has_more: bool) -> dict[str, Any]:
    """The members of a list of objects with ids."""
    return {
        "data": data,
        "first_id": data[0].id if data else None,
        "last_id": data[-1].id if data else None,
        "has_more": has_more,
    }
