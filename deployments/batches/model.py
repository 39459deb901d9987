"""A batch as it crosses stages: the items of a job of kind `batch`, and what became of them.

The job (deployments/contracts/jobs.py) has the state, the progress and the life of a batch; its
spec says which operation is called, how many items there are and what the calls may do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Scope
from deployments.contracts.jobs import ENDED, Job

KIND = "batch"
MAX_ITEMS = 1_000
MAX_AGE_S = 86_400.0  # of a batch whose items still wait for limits
MAX_RESULT_BYTES = 1 << 20  # of one item

ItemState = Literal["queued", "succeeded", "failed", "cancelled"]
# The words of OpenAI's batches, so that both APIs say the same of one batch.
BatchStatus = Literal["queued", "in_progress", "cancelling", "completed", "cancelled", "failed"]
_ENDS: Mapping[str, BatchStatus] = {
    "succeeded": "completed",
    "partial": "completed",
    "failed": "failed",
    "canceled": "cancelled",
}


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One call to make. `index` is from 0, `body` the JSON of the operation's body."""

    index: int
    custom_id: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What one call came to: an HTTP status, and the JSON of the answer or of the problem."""

    index: int
    status: int
    body: bytes
    request_id: str

    @property
    def state(self) -> ItemState:
        return "succeeded" if self.status < 400 else "failed"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """An item as callers see it; `status` and `body` None: it has no outcome."""

    index: int
    custom_id: str | None
    state: ItemState
    status: int | None = None
    body: bytes | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """How many items of a batch there are, and how many have which outcome."""

    total: int
    succeeded: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """A job's spec. A call may do what `scopes` say and its key or user may still do. `tags` split
    the usage of the calls."""

    operation: str
    total: int
    scopes: frozenset[Scope]
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "total": self.total,
            "scopes": sorted(map(str, self.scopes)),
            "tags": list(self.tags),
        }

    @classmethod
    def of(cls, job: Job) -> Self:
        """Scopes that this version does not know grant nothing."""
        known, spec = {str(scope): scope for scope in Scope}, job.spec
        scopes = frozenset(known[name] for name in spec["scopes"] if name in known)
        return cls(spec["operation"], spec["total"], scopes, tuple(spec["tags"]))


class ItemCaller(Protocol):
    """Makes the call of one item."""

    async def call(self, job: Job, spec: BatchSpec, item: BatchItem) -> ItemOutcome:
        """Raises what the operation raises for a request of its own."""
        ...

    def refused(self, job: Job, item: BatchItem, problem: Problem) -> ItemOutcome:
        """The outcome of an item that came to this."""
        ...


def batch_status(job: Job) -> BatchStatus:
    if job.state in ENDED:
        return _ENDS[job.state]
    if job.cancel_asked:
        return "cancelling"
    return "queued" if job.state == "queued" else "in_progress"
