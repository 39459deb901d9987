"""What callers ask and get about jobs. Instants are Unix seconds."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from cluster.tenants.caller import Priority
from cluster.tenants.plan import Id
from deployments.contracts.jobs import JobState, PartState
from deployments.ingress.schemas.admin import PageQuery, PageResponse

Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z._:-]+$")]


class JobQuery(PageQuery):
    """Which jobs; `subject` is what they are about, such as a video's id."""

    tenant: Id | None = None
    state: JobState | None = None
    kind: Word | None = None
    subject: Word | None = None


class JobProblem(BaseModel):
    """Why the last attempt failed; `retryable`: another follows by itself."""

    slug: str
    title: str
    status: int
    detail: str
    retryable: bool


class JobResponse(BaseModel):
    """How a job stands. `percent` never falls; `version` rises with every change. `warnings` say
    what will not come out as asked for, as far as that was known when it was accepted."""

    id: str
    tenant: str
    kind: str
    subject: str
    state: JobState
    stage: str
    percent: float
    priority: Priority
    cost: int
    attempts: int
    max_attempts: int
    cancel_asked: bool
    problem: JobProblem | None
    version: int
    created: float
    started: float | None
    ended: float | None
    expires: float | None
    request_id: str
    warnings: list[str] = []


class JobOutputResponse(BaseModel):
    """One piece of it, such as a clip, and how far that is; `number` from 1."""

    number: int
    state: PartState
    updated: float


class JobDetail(JobResponse):
    """With its parts, and what it came to once it has ended."""

    parts: list[JobOutputResponse]
    result: Mapping[str, Any]


class JobPage(PageResponse):
    data: list[JobResponse]
