"""Long work as it crosses stages: rows with leases and fencing numbers.

A job is accepted once, tried until it ends or its attempts are used up, and ends once. Whoever runs
it holds a Lease; every write under a lease names its fence, and one with an old fence is refused,
so a worker that was thought dead can change nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.tenants.caller import Priority
from cluster.usage.ledger import UsageEntry

JobState = Literal["queued", "running", "succeeded", "partial", "failed", "canceled"]
PartState = Literal["planned", "running", "ready", "failed"]
ENDED: frozenset[JobState] = frozenset({"succeeded", "partial", "failed", "canceled"})


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is accepted. `cost` (cost units, >= 1) is what the tenants' shares are counted in,
    `weight` the tenant's share. `spec` is the handler's own. `subject` is what it is about
    (a video's id), so that it can be asked for. `keep_s` is how long it is kept once it ended.
    """

    tenant: str
    kind: str
    key: str  # who asked: Caller.key_id
    spec: Mapping[str, Any]
    subject: str = ""
    cost: int = 1
    weight: float = 1.0
    priority: Priority = Priority.STANDARD
    max_attempts: int = 4
    keep_s: float = 7 * 86_400.0
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One row. `percent` never falls, 0 to 100. `version` rises with every change that a reader can
    see. Instants are Unix seconds; `expires` is when it is forgotten. `problem` is a problem's
    slug, title, status and detail, and whether trying again could help (`retryable`).
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


@dataclass(frozen=True, slots=True)
class JobOutput:
    """A piece of a job that is of use by itself, such as one clip: `number` from 1."""

    job: str
    number: int
    state: PartState
    data: Mapping[str, Any]
    updated: float


@dataclass(frozen=True, slots=True)
class JobEvent:
    """What happened, for those who watch. `seq` rises by 1 within a job, from 1. Kinds: queued,
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
    """How a job ended well, or partly so. `charge` is entered in the usage ledger in the same
    transaction, so exactly once."""

    state: Literal["succeeded", "partial"]
    data: Mapping[str, Any] = field(default_factory=dict)
    charge: UsageEntry | None = None


Also = Callable[[AsyncConnection], Awaitable[None]]


class JobContext(Protocol):
    """What a handler is given: a job, and the way to tell how it stands.

    Every method raises LeaseLost when the job is no longer this worker's; the handler lets it
    pass. A handler whose job is cancelled is cancelled as a task (asyncio.CancelledError).
    """

    @property
    def job(self) -> Job: ...

    @property
    def fence(self) -> int: ...

    @property
    def checkpoints(self) -> Mapping[str, Any]:
        """What earlier attempts and this one have kept, by name."""
        ...

    async def report(self, stage: str, percent: float) -> None:
        """Cheap to call often: written at most twice a second, or when the stage changes."""
        ...

    async def checkpoint(self, name: str, data: Any, also: Also | None = None) -> None:
        """Keep JSON `data` for a later attempt; `also` writes in the same transaction."""
        ...

    async def part(
        self, number: int, state: PartState, data: Mapping[str, Any], also: Also | None = None
    ) -> None: ...

    async def parts(self) -> tuple[JobOutput, ...]: ...


class JobHandler(Protocol):
    """Runs jobs of one kind, and may be run again after it was killed anywhere."""

    kind: str

    async def run(self, work: JobContext) -> JobResult:
        """Raises a Problem: 4xx ends the job as failed, others are tried again with backoff."""
        ...
