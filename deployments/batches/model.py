"""A batch as it crosses stages: the items of a job of kind `batch`, and what became of them.

The job (deployments/contracts/jobs.py) has the state, the progress and the life of a batch; its
spec says which operation is called, how many items there are and what the calls may do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Scope
from cluster.usage.collected_usage import CollectedUsage
from deployments.contracts.jobs import ENDED, Job

KIND = "batch"
FILE_KIND = "batch.file"  # a kind of its own: replicas of earlier releases do not take it
MAX_ITEMS = 1_000
MAX_AGE_S = 86_400.0  # of a batch whose items still wait for limits
MAX_METADATA = 16  # members
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
    """What one call came to: an HTTP status, the JSON of the answer or of the problem, and what it
    used, which is charged when the outcome is stored. `is_expired`: its batch's day ended while it
    waited for its call."""

    index: int
    status: int
    body: bytes
    request_id: str
    usage: CollectedUsage | None = field(default=None, compare=False, repr=False)
    is_expired: bool = False

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
    the usage of the calls. `source` None: the items are rows, `total` of them."""

    operation: str
    total: int
    scopes: frozenset[Scope]
    tags: tuple[str, ...] = ()
    source: "FileSource | None" = None

    def to_json(self) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "operation": self.operation,
            "total": self.total,
            "scopes": sorted(map(str, self.scopes)),
            "tags": list(self.tags),
        }
        return spec if self.source is None else spec | {"source": self.source.to_json()}

    @classmethod
    def of(cls, job: Job) -> Self:
        """Scopes that this version does not know grant nothing."""
        known, spec = {str(scope): scope for scope in Scope}, job.spec
        scopes = frozenset(known[name] for name in spec["scopes"] if name in known)
        source = spec.get("source")
        return cls(
            spec["operation"],
            spec["total"],
            scopes,
            tuple(spec["tags"]),
            None if source is None else FileSource.of(source),
        )


@dataclass(frozen=True, slots=True)
class FileSource:
    """The file that a batch's lines are in. `endpoint` is what the order calls the operation: a
    path, whose form errors have, or a name; lines may name any of `urls`. The outputs are kept for
    `keep_s` after the end of the batch's day. `metadata` is the caller's own."""

    file: str
    endpoint: str
    urls: tuple[str, ...]
    keep_s: float
    metadata: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "endpoint": self.endpoint,
            "urls": list(self.urls),
            "keep_s": self.keep_s,
            "metadata": self.metadata,
        }

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Self:
        return cls(
            source["file"],
            source["endpoint"],
            tuple(source["urls"]),
            source["keep_s"],
            source["metadata"],
        )


class ItemCaller(Protocol):
    """Makes the call of one item."""

    async def call(
        self, job: Job, spec: BatchSpec, item: BatchItem, usage: CollectedUsage
    ) -> ItemOutcome:
        """What it uses is held in `usage`. Raises what the operation raises for a request of
        its own."""
        ...

    def refused(self, job: Job, spec: BatchSpec, item: BatchItem, problem: Problem) -> ItemOutcome:
        """The outcome of an item that came to this."""
        ...


def batch_status(job: Job) -> BatchStatus:
    if job.state in ENDED:
        return _ENDS[job.state]
    if job.cancel_asked:
        return "cancelling"
    return "queued" if job.state == "queued" else "in_progress"
