"""Long work as it crosses stages: rows with leases and fencing numbers.

A job is accepted once, tried until it ends or its attempts are used up, and ends once. Its worker
holds a JobLease; every write under a lease names its fence, and one with an old fence is refused,
so a worker that was presumed dead can change nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.tenants.caller import Priority
from cluster.usage.entries import UsageEntry

JobState = Literal["queued", "running", "succeeded", "partial", "failed", "canceled"]
PartState = Literal["planned", "running", "ready", "failed"]
ENDED: frozenset[JobState] = frozenset({"succeeded", "partial", "failed", "canceled"})


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to accept. Tenants' shares are counted in `cost` (cost units, >= 1); `weight` is the
    tenant's share. `spec` is the handler's own. `subject` (a video's id) can be searched for.
    `keep_s` is how long the job is retained after its end. `trace` is the `traceparent` of the
    request that ordered it; empty: that is not traced.
    """

    tenant: str
    kind: str
    key: str  # of the creator: Caller.key_id
    spec: Mapping[str, Any]
    subject: str = ""
    cost: int = 1
    weight: float = 1.0
    priority: Priority = Priority.STANDARD
    max_attempts: int = 4
    keep_s: float = 7 * 86_400.0
    request_id: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One row. `percent` never falls, 0 to 100. `version` rises with every visible change.
    Times are Unix seconds; the job is deleted at `expires`. `problem` is a problem's slug, title,
    status and detail, and whether another attempt could succeed (`retryable`).
    """

    id: str
    tenant: str
    kind: str
    key: str
    subject: str
    state: JobState
    stage: str
    percent: float
    priority: Priority
    cost: int
    weight: float
    spec: Mapping[str, Any]
    result: Mapping[str, Any]
    problem: Mapping[str, Any] | None
    attempts: int
    max_attempts: int
    cancel_asked: bool
    version: int
    created: float
    started: float | None
    ended: float | None
    expires: float | None
    request_id: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class JobOutput:
    """A part of a job that is useful by itself, such as one clip: `number` from 1."""

    job: str
    number: int
    state: PartState
    data: Mapping[str, Any]
    updated: float


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A change of a job, for event streams. `seq` rises by 1 within a job, from 1. Kinds: queued,
    started, progress, part, retrying, and the end: succeeded, partial, failed, canceled."""

    job: str
    seq: int
    at: float
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobLease:
    """The right to run `job` until `until` (Unix seconds), under `fence`, one up by attempt."""

    job: Job
    fence: int
    worker: str
    until: float


class LeaseLost(Exception):
    """The job was given to another worker, or ended; nothing was written."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of a job that succeeded, or partly so. `charge` is entered in the usage ledger in
    the same transaction, so exactly once."""

    state: Literal["succeeded", "partial"]
    data: Mapping[str, Any] = field(default_factory=dict)
    charge: UsageEntry | None = None


WriteInTransaction = Callable[[AsyncConnection], Awaitable[None]]


class JobContext(Protocol):
    """A handler's view of its job, and its way to report progress.

    Every method raises LeaseLost when the job is no longer this worker's; the handler lets it
    pass. A handler whose job is cancelled is cancelled as a task (asyncio.CancelledError).
    """

    @property
    def job(self) -> Job: ...

    @property
    def fence(self) -> int: ...

    @property
    def checkpoints(self) -> Mapping[str, Any]:
        """The checkpoints of earlier attempts and of this one, by name."""
        ...

    async def report(self, stage: str, percent: float) -> None:
        """Cheap to call often: written at most twice a second, or when the stage changes."""
        ...

    async def checkpoint(
        self, name: str, data: Any, also: WriteInTransaction | None = None
    ) -> None:
        """Store JSON `data` for a later attempt; `also` writes in the same transaction."""
        ...

    async def part(
        self,
        number: int,
        state: PartState,
        data: Mapping[str, Any],
        also: WriteInTransaction | None = None,
    ) -> None: ...

    async def parts(self) -> tuple[JobOutput, ...]: ...


class JobHandler(Protocol):
    """Runs jobs of one kind, and may be run again after it was killed anywhere."""

    kind: str

    async def run(self, work: JobContext) -> JobResult:
        """Raises a Problem: 4xx ends the job as failed, others are tried again with backoff."""
        ...
