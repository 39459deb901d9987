"""Collections and their points as values; their limits, and what refuses a change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cluster.runtime.problems import Conflict, NotFound, Overloaded
from cluster.tenants.plan import SearchPlan

ID_PREFIX = "vs_"
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
POINT_ID = r"^[A-Za-z0-9_][A-Za-z0-9._:@+=~-]{0,127}$"
MAX_TEXT = 65_536  # characters
MAX_PAYLOAD = 16_384  # bytes of JSON
MAX_DIMENSIONS = 4_096
MAX_CHANGED = 1_000  # points of one change
PAUSE_S = 10.0  # how long writers wait for a reindexing that ends

CollectionMetric = Literal["cosine", "dot"]


@dataclass(frozen=True, slots=True)
class CollectionLimits:
    """Of a tenant: collections, points of all of them, and bytes of their texts, payloads and
    vectors."""

    max_collections: int = 1_000
    max_points: int = 2_000_000
    max_bytes: int = 4 << 30


def plan_limits(plan: SearchPlan) -> CollectionLimits:
    """What a plan says, and the defaults for the rest."""
    usual = CollectionLimits()
    return CollectionLimits(
        plan.collections or usual.max_collections,
        plan.points or usual.max_points,
        plan.storage_bytes or usual.max_bytes,
    )


@dataclass(frozen=True, slots=True)
class CollectionDraft:
    """What a new collection has. Without a `model`, points come with vectors, or have none and are
    found by their words only. `dimensions` 0: those of the first vector. Without a `name` it is the
    id. It is deleted `keep_s` seconds after it was last used; None: never."""

    name: str = ""
    model: str = ""
    dimensions: int = 0
    metric: CollectionMetric = "cosine"
    description: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    keep_s: float | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection; its fields are the columns of the table. Times are Unix seconds.

    Points of `generation` are searched. `sequence` grows with each change of a point; tombstones
    up to `purged` are deleted. `building` is the generation that job `job` makes (None: none).
    `points` and `bytes` do not count tombstones. `used` is up to a minute late.
    """

    id: str
    tenant: str
    name: str
    key: str
    description: str
    model: str
    dimensions: int
    metric: CollectionMetric
    generation: int
    sequence: int
    purged: int
    points: int
    bytes: int
    building: int | None
    job: str | None
    attributes: Mapping[str, str]
    created: float
    updated: float
    used: float
    keep_s: float | None
    paused_until: float | None

    @property
    def expires(self) -> float | None:
        return None if self.keep_s is None else self.used + self.keep_s


@dataclass(frozen=True, slots=True)
class PointDraft:
    """A point to be stored under its id. `vector` is that of vectors.py; None: it has none."""

    id: str
    text: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    vector: bytes | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A stored point, or (`deleted`) what is left of one. `sequence` is that of its last change."""

    id: str
    text: str
    payload: Mapping[str, Any]
    vector: bytes | None
    sequence: int
    updated: float
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class PointsChange:
    """What a change has done. Searches that begin later see it: it is in `collection.sequence`."""

    collection: Collection
    inserted: int = 0
    replaced: int = 0
    deleted: int = 0


class CollectionsFull(Conflict):
    slug, title = "collections-full", "No more can be stored in collections"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(
            f"A tenant's collections hold at most {limit} {what}; delete some first.", limit=limit
        )


class DimensionsDiffer(Conflict):
    slug, title = "dimensions-differ", "The vectors have other dimensions"

    def __init__(self, param: str, given: int, wanted: int) -> None:
        super().__init__(
            f"{param}: has {given} dimensions, and the collection's vectors have {wanted}.",
            param=param,
            dimensions=wanted,
        )


class CollectionChanged(Conflict):
    """Its points were made anew meanwhile, perhaps by another model."""

    slug, title = "collection-changed", "The collection was reindexed meanwhile"

    def __init__(self, id: str) -> None:
        super().__init__(f"Collection '{id}' was reindexed meanwhile; send it again.")


class ReindexInProgress(Conflict):
    slug, title = "reindex-in-progress", "The collection is being reindexed"

    def __init__(self, id: str, job: str) -> None:
        super().__init__(f"Job '{job}' reindexes collection '{id}'.", job=job)


class CollectionPaused(Overloaded):
    """A reindexing ends, which takes seconds."""

    slug, title = "collection-paused", "The collection takes no points for a moment"

    def __init__(self, id: str, retry_after_s: float) -> None:
        super().__init__(
            f"Collection '{id}' is being switched to its new index.", retry_after_s=retry_after_s
        )


def no_collection(id: str) -> NotFound:
    return NotFound(f"There is no collection '{id[:64]}'.", param="collection")


def no_point(id: str) -> NotFound:
    return NotFound(f"There is no point '{id[:128]}'.", param="point")
