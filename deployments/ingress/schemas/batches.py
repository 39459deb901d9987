"""What callers send for batches of operations, and what they get. Instants are Unix seconds."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from deployments.batches.model import MAX_ITEMS, BatchStatus, ItemState
from deployments.ingress.schemas.admin import PageQuery, PageResponse

CustomId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


FileId = Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OperationItem(_Body):
    """One call: the body that the operation's own route takes."""

    custom_id: Annotated[
        CustomId | None, Field(description="Your own name of it, once in a batch.")
    ] = None
    body: dict[str, Any]


class OperationBatchCreate(_Body):
    """Body of `POST /api/v1/batches`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "operation": "captions",
                "items": [
                    {"custom_id": "tea", "body": {"topic": "a new tea"}},
                    {"custom_id": "coffee", "body": {"topic": "a rooftop coffee bar"}},
                ],
            }
        }
    )

    operation: Annotated[str, Field(min_length=1, max_length=60)]
    items: Annotated[list[OperationItem] | None, Field(min_length=1, max_length=MAX_ITEMS)] = None
    input_file: Annotated[
        FileId | None,
        Field(description="Of JSON lines with `custom_id` and `body`, in place of `items`."),
    ] = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.items is None) == (self.input_file is None):
            raise ValueError("either items or input_file must be given")
        return self

    @field_validator("items")
    @classmethod
    def _names_are_unique(cls, items: list[OperationItem] | None) -> list[OperationItem] | None:
        seen = set[str]()
        for index, item in enumerate(items or ()):
            if item.custom_id in seen:
                raise ValueError(f"{index}: another item has the custom_id '{item.custom_id}'")
            if item.custom_id is not None:
                seen.add(item.custom_id)
        return items


class BatchLineError(BaseModel):
    """A fault of a line; `line` is from 1 (null: of the file)."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class OperationBatchCounts(BaseModel):
    """`pending` items have no outcome: they wait, run, or were cancelled."""

    total: int
    succeeded: int
    failed: int
    pending: int


class OperationBatchResponse(BaseModel):
    """How a batch stands. `problem` says why a batch failed as a whole. It is deleted, with its
    results, at `expires`. Of one over an `input_file`, the outcomes are in files too, in the
    order of the lines: answers in `output_file`, problems in `error_file`; `errors` are the faults
    of lines for which it was refused."""

    id: str
    object: Literal["batch"] = "batch"
    operation: str
    status: BatchStatus
    counts: OperationBatchCounts
    created: float
    started: float | None
    ended: float | None
    expires: float | None
    problem: dict[str, Any] | None
    input_file: str | None = None
    output_file: str | None = None
    error_file: str | None = None
    errors: list[BatchLineError] = []


class OperationBatchPage(PageResponse):
    data: list[OperationBatchResponse]


class OperationItemQuery(BaseModel):
    """Which items; `after` is an index, or that of the page before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: ItemState | None = None
    after: Annotated[int, Field(ge=-1, le=MAX_ITEMS)] = -1
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class OperationItemResponse(BaseModel):
    """One item: `response` is the operation's answer, `error` a problem (RFC 9457)."""

    index: int
    custom_id: str | None
    status: ItemState
    http_status: int | None = None
    request_id: str | None = None
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class OperationItemPage(BaseModel):
    """`next_after` is null on the last page."""

    data: list[OperationItemResponse]
    next_after: int | None = None


class OperationBatchQuery(PageQuery):
    """Which batches; the newest first."""
