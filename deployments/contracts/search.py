"""Searches of collections as they cross stages: a query in, points with their scores out.

These values are pickled, or sent over links as msgpack, between processes. They know nothing of
HTTP, of indexes and of Ray. Filters are values of JSON that are validated where they come in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller, Priority

SEARCH = "search"  # the name of this work in usage, limits and logs
MAX_RESULTS = 100  # of one query
MAX_MATCHES = 1_000  # of one page of matches

SearchMode = Literal["vector", "text", "hybrid", "match"]
Fusion = Literal["scores", "ranks"]
Metric = Literal["cosine", "dot"]


@version_tolerant
@dataclass(frozen=True, slots=True)
class CollectionVersion:
    """What a query searches: the points of `generation` of the collection `id`, with every change
    up to `sequence`. It is read from the database at the time of the query, so a query sees each
    change that was answered before it began."""

    id: str
    generation: int
    sequence: int
    purged: int
    dimensions: int
    metric: Metric = "cosine"


@version_tolerant
@dataclass(frozen=True, slots=True)
class SearchRequest:
    """The `limit` best points of a collection of the caller's tenant.

    `vector` is float32 in bytes (empty: none), `text` the words (empty: none). `mode` `match` ranks
    nothing: it answers points that pass the filter, in the order of their ids after `after`, at
    most MAX_MATCHES. `alpha` is the part of the vector's score in a hybrid query's, from 0 to 1;
    None: cosine and BM25 count alike. `filter` as in cluster/collections/filters.py. With `explain`
    hits have ranks. `timeout_s` is the rest
    of the caller's deadline at the time of sending. `trace` is the call's span, `trace_state` as in
    GenerateRequest.
    """

    request_id: str
    caller: Caller
    collection: CollectionVersion
    mode: SearchMode
    limit: int
    text: str = ""
    vector: bytes = field(default=b"", repr=False)
    filter: Mapping[str, Any] | None = None
    min_score: float | None = None
    alpha: float | None = None
    fusion: Fusion = "scores"
    after: str = ""
    with_text: bool = True
    with_payload: bool = True
    explain: bool = False
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    trace: str = ""
    trace_state: str = ""

    @property
    def model(self) -> str:
        """What log lines and problems name."""
        return SEARCH


@version_tolerant
@dataclass(frozen=True, slots=True)
class SearchHit:
    """A point and why it was found. `vector_score` is the cosine (or dot product), `text_score`
    BM25 divided by the idf mass of the query; None: not part of the query, or the point has none.
    Ranks begin at 1."""

    id: str
    score: float
    text: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    vector_score: float | None = None
    text_score: float | None = None
    vector_rank: int | None = None
    text_rank: int | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """`hits`, best first; equal scores are in the order of their ids. `sequence` is that of the
    last change that was seen. `matched` is how many points pass the filter. Not `is_exact`: an
    approximate index chose the candidates, which were then scored exactly."""

    hits: tuple[SearchHit, ...]
    sequence: int
    matched: int
    is_exact: bool = True


class CollectionSearch(Protocol):
    """Whatever searches collections: a client of shards, or an index in this process."""

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """Raises NotFound if the collection was deleted meanwhile, DeadlineExceeded, Overloaded."""
        ...
