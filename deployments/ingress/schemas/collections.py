"""What callers send and get about collections, their points, and queries of them."""

import base64
import binascii
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cluster.collections.model import (
    MAX_CHANGED,
    MAX_DIMENSIONS,
    MAX_PAYLOAD,
    MAX_TEXT,
    NAME,
    POINT_ID,
)
from cluster.runtime import json_values
from cluster.runtime.numbers import FLOAT32, FLOAT32_TINY, flush_tiny
from cluster.runtime.problems import Malformed
from deployments.contracts.search import MAX_RESULTS
from deployments.ingress.schemas.admin import PageQuery, PageResponse, Patch, Strict, example
from deployments.ingress.schemas.content import EndUser
from deployments.ingress.schemas.embeddings import ApiResponse, EmbeddingUsage
from deployments.ingress.schemas.text import check_characters

MAX_POINTS = 256  # of one upsert
MAX_ATTRIBUTES = 16
MAX_KEPT_S = 10 * 365 * 86_400.0
OWN_VECTORS = "none"  # the model of collections whose vectors come from callers
QUERY_TEXT = 8_192  # characters


def _check_name(name: str) -> str:
    if name.startswith("vs_"):
        raise ValueError("begins with 'vs_', as ids do")
    return name


def _check_payload(payload: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(json_values.encode(payload))
    except Malformed as problem:
        raise ValueError(problem.extensions["errors"][0]["detail"]) from None
    if size > MAX_PAYLOAD:
        raise ValueError(f"has {size} bytes of JSON, over the limit of {MAX_PAYLOAD}")
    if json_values.count_levels(payload, 8) > 8:
        raise ValueError("is nested deeper than 8 levels")
    return payload


CollectionName = Annotated[str, Field(pattern=NAME), AfterValidator(_check_name)]
CollectionRef = Annotated[
    str, Field(pattern=NAME, description="The id of a collection, or its name.")
]
PointId = Annotated[str, Field(pattern=POINT_ID)]
PointText = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(check_characters)]
Payload = Annotated[dict[str, Any], AfterValidator(_check_payload)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Vector = Annotated[
    Annotated[list[Number], Field(min_length=1, max_length=MAX_DIMENSIONS)]
    | Annotated[str, Field(min_length=4, max_length=6 * MAX_DIMENSIONS)],
    Field(description="Numbers, or base64 of little-endian float32."),
]
Attributes = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=64)],
        Annotated[str, Field(max_length=512, pattern=r"^[^\x00]*$")],
    ],
    Field(max_length=MAX_ATTRIBUTES),
]
Description = Annotated[str, Field(max_length=1_000, pattern=r"^[^\x00]*$")]
Model = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="The embedding model; left out: the tenant's. `none`: points have vectors of "
        "your own, or are found by their words only.",
    ),
]
Dimensions = Annotated[int, Field(ge=1, le=MAX_DIMENSIONS)]
Filter = Annotated[
    dict[str, Any], Field(description="Conditions on payloads: docs/guides/search.md.")
]


def vector_of(given: list[float] | str) -> NDArray[np.float32]:
    """Raises ValueError, which says what is wrong."""
    if not isinstance(given, str):
        return np.array(given, np.float32)
    try:
        raw = base64.b64decode(given, validate=True)
    except binascii.Error:
        raise ValueError("is not base64") from None
    if len(raw) % 4 or not 1 <= len(raw) // 4 <= MAX_DIMENSIONS:
        raise ValueError(f"is not base64 of 1 to {MAX_DIMENSIONS} float32")
    vector = np.frombuffer(raw, "<f4")
    if not np.isfinite(vector).all():
        raise ValueError("has a number that is not finite")
    return vector


def _check_vector(given: list[float] | str | None) -> list[float] | str | None:
    """Numbers are those that float32 has."""
    if isinstance(given, str):
        vector_of(given)
        return given
    sizes = np.abs(np.array(given or (), np.float64))
    if (sizes > np.finfo(np.float32).max).any():
        raise ValueError("has a number that is too large")
    if given is not None and (sizes < FLOAT32_TINY).any():
        return [flush_tiny(each) for each in given]
    return given


class CollectionCreate(Strict):
    """Body of `POST /api/v1/collections`. Without a name, a collection is called by its id."""

    model_config = example(name="posts", description="Posts of the last years")

    name: CollectionName | None = None
    description: Description = ""
    model: Model | None = None
    dimensions: Annotated[
        Dimensions | None,
        Field(description="Of the vectors; left out: those of the model, or of the first vector."),
    ] = None
    metric: Literal["cosine", "dot"] = "cosine"
    attributes: Attributes = {}
    keep_s: Annotated[
        float | None,
        Field(
            ge=60,
            le=MAX_KEPT_S,
            allow_inf_nan=False,
            description="Seconds after its last use after which it is deleted; left out: never.",
        ),
        FLOAT32,
    ] = None


class CollectionPatch(Patch):
    """What is given is changed; `attributes` replaces all, `keep_s` 0 keeps it for ever."""

    model_config = example(description="Posts since 2020")

    name: CollectionName | None = None
    description: Description | None = None
    attributes: Attributes | None = None
    keep_s: Annotated[float | None, Field(ge=0, le=MAX_KEPT_S, allow_inf_nan=False), FLOAT32] = None


class CollectionQuery(PageQuery):
    """Collections by name."""


class PointQuery(BaseModel):
    """Points by id: at most `limit` after the id `cursor`, from the page before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: PointId | None = None
    vectors: bool = False


class CollectionResponse(ApiResponse):
    """`points` and `bytes` are what is stored of it. `reindexing` is the job that makes its points
    anew. `expires` changes with each use. Times are Unix seconds."""

    object: Literal["collection"] = "collection"
    id: str
    name: str
    description: str
    model: str
    dimensions: int | None
    metric: Literal["cosine", "dot"]
    points: int
    bytes: int
    sequence: int
    generation: int
    reindexing: str | None
    attributes: dict[str, str]
    created: float
    updated: float
    expires: float | None


class CollectionPage(PageResponse):
    data: list[CollectionResponse]


class PointBody(Strict):
    """A point: a text, a vector, or both. The vector of a text is made by the collection's model
    unless one is given."""

    id: PointId
    text: PointText = ""
    vector: Annotated[Vector | None, AfterValidator(_check_vector)] = None
    payload: Payload = {}

    @model_validator(mode="after")
    def _check_content(self) -> Self:
        if not self.text and self.vector is None:
            raise ValueError("text: a point needs a text or a vector")
        return self


class PointsPut(Strict):
    """Body of `PUT /api/v1/collections/{collection}/points`: up to 256 points, each with its own
    id; one that is there already is replaced."""

    model_config = example(
        points=[{"id": "p1", "text": "Coffee with a view.", "payload": {"language": "en"}}]
    )

    points: Annotated[list[PointBody], Field(min_length=1, max_length=MAX_POINTS)]
    truncate: Annotated[
        bool,
        Field(description="The vector of a text that is too long is that of its beginning."),
    ] = False
    user: EndUser | None = None

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        seen = set[str]()
        for index, point in enumerate(self.points):
            if point.id in seen:
                raise ValueError(f"points.{index}.id: '{point.id}' is there twice")
            seen.add(point.id)
        return self


class PutPointsRequest(PointsPut):
    """The same, with the collection."""

    model_config = example(
        collection="posts",
        points=[{"id": "p1", "text": "Coffee with a view.", "payload": {"language": "en"}}],
    )

    collection: CollectionRef


class PointsDelete(Strict):
    """Body of `POST /api/v1/collections/{collection}/points/delete`: `ids`, or a `filter`."""

    model_config = example(ids=["p1", "p2"])

    ids: Annotated[list[PointId], Field(min_length=1, max_length=MAX_CHANGED)] | None = None
    filter: Filter | None = None

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or filter")
        return self


class DeletePointsRequest(PointsDelete):
    """The same, with the collection."""

    model_config = example(collection="posts", ids=["p1", "p2"])

    collection: CollectionRef


class CollectionSearchBody(Strict):
    """Body of `POST /api/v1/collections/{collection}/query`: a `text`, a `vector`, or both."""

    model_config = example(text="rooftop bar", limit=5, filter={"eq": {"language": "en"}})

    text: Annotated[str, Field(max_length=QUERY_TEXT), AfterValidator(check_characters)] = ""
    vector: Annotated[Vector | None, AfterValidator(_check_vector)] = None
    limit: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = 10
    mode: Annotated[
        Literal["vector", "text", "hybrid"] | None,
        Field(description="Left out: by meaning and by words, as far as there are both."),
    ] = None
    filter: Filter | None = None
    min_score: Annotated[float | None, Field(ge=-1e6, le=1e6, allow_inf_nan=False), FLOAT32] = None
    alpha: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            allow_inf_nan=False,
            description="The part of the meaning in a hybrid score; left out: both count alike.",
        ),
        FLOAT32,
    ] = None
    fusion: Annotated[
        Literal["scores", "ranks"],
        Field(description="What is added: scores, or reciprocal ranks."),
    ] = "scores"
    explain: bool = False
    include_text: bool = True
    include_payload: bool = True
    user: EndUser | None = None

    @model_validator(mode="after")
    def _check_query(self) -> Self:
        if not self.text and self.vector is None:
            raise ValueError("text: a query needs a text or a vector")
        return self


class QueryCollectionRequest(CollectionSearchBody):
    """The same, with the collection."""

    model_config = example(collection="posts", text="rooftop bar", limit=5)

    collection: CollectionRef


class PointsPutResponse(ApiResponse):
    """Queries that begin after this answer see the points. `usage` is what the embedding model has
    read."""

    object: Literal["collection.points.put"] = "collection.points.put"
    collection: str
    inserted: int
    replaced: int
    sequence: int
    usage: EmbeddingUsage


class PointsDeleteResponse(ApiResponse):
    """Queries that begin after this answer find none of them. Not `complete`: the request's time
    was over before all that match the filter were deleted; send it again."""

    object: Literal["collection.points.delete"] = "collection.points.delete"
    collection: str
    deleted: int
    complete: bool
    sequence: int


class PointResponse(ApiResponse):
    """`vector` is there if it was asked for: as it is stored, in half precision."""

    object: Literal["collection.point"] = "collection.point"
    id: str
    text: str
    payload: dict[str, Any]
    vector: list[float] | None = None
    sequence: int
    updated: float


class PointPage(PageResponse):
    data: list[PointResponse]


class ResultExplanation(ApiResponse):
    """`vector_score` is the cosine (or dot product), `text_score` BM25 divided by the idf mass of
    the query; null: not part of the query. Ranks are from 1."""

    vector_score: float | None
    text_score: float | None
    vector_rank: int | None
    text_rank: int | None


class CollectionResult(ApiResponse):
    id: str
    score: float
    text: str | None = None
    payload: dict[str, Any] | None = None
    explanation: ResultExplanation | None = None


class CollectionQueryResponse(ApiResponse):
    """`results`, the best first. `matched` points pass the filter. Every change up to `sequence` is
    seen. Not `exact`: an approximate index chose the candidates. `usage` is what the embedding
    model has read."""

    id: str
    object: Literal["collection.query"] = "collection.query"
    created: int
    collection: str
    mode: Literal["vector", "text", "hybrid"]
    results: list[CollectionResult]
    matched: int
    sequence: int
    exact: bool
    usage: EmbeddingUsage


class CollectionReindex(Strict):
    """Body of `POST /api/v1/collections/{collection}/reindex`. Without a model, the vectors are
    made anew by the collection's own."""

    model_config = example(model="minilm")

    model: Model | None = None
    dimensions: Dimensions | None = None
