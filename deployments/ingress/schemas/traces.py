"""Traces as the API gives them."""

from typing import Any

from pydantic import BaseModel, Field


class TraceSpanResponse(BaseModel):
    """`start` is in Unix seconds. `depth` is 0 for the first span, 1 for those below it, and so on.
    `process` is the replica that did the work; empty: the ingress replica that recorded it.
    """

    name: str
    span_id: str
    parent_id: str
    kind: str
    start: float
    duration_ms: float
    depth: int
    error: str
    process: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[dict[str, str]]


class TraceResponse(BaseModel):
    """The trace of one request. `reason` is why it was recorded: sampled, failed or slow."""

    request_id: str
    trace_id: str
    tenant: str = Field(description="Empty where nobody was authenticated.")
    reason: str
    spans: list[TraceSpanResponse]


class TraceList(BaseModel):
    """Oldest first. A client may have sent several requests under one id."""

    data: list[TraceResponse]
