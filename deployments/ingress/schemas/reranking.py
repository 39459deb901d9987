"""What callers may send to `/v1/rerank`, in Jina's and Cohere's shape, and the answer."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.problems import InvalidRequest
from deployments.ingress.schemas.embeddings import ApiResponse, EmbeddingUsage

MAX_DOCUMENTS = 1_000
MAX_QUERY_CHARS = 32_768


class RerankDocument(BaseModel):
    """A document given as an object; its other fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    text: str


class RerankRequest(BaseModel):
    """Body of `POST /v1/rerank`: which of `documents` answer `query`.

    `top_n` leaves out all but the best; `return_documents` false leaves out their texts.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "example": {
                "model": "minilm",
                "query": "Where can I have coffee outside?",
                "documents": ["A rooftop coffee bar", "Interest rates rose by half a point"],
                "top_n": 1,
            }
        },
    )

    model: Annotated[str, Field(min_length=1, max_length=100, examples=["minilm"])]
    query: Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARS)]
    documents: Annotated[list[str | RerankDocument], Field(min_length=1, max_length=MAX_DOCUMENTS)]
    top_n: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    return_documents: bool | None = True
    user: Annotated[str, Field(max_length=512)] | None = None

    def texts(self) -> tuple[str, ...]:
        """Raises InvalidRequest for an empty document."""
        texts = tuple(each if isinstance(each, str) else each.text for each in self.documents)
        for index, text in enumerate(texts):
            if not text:
                where = f"documents.{index}"
                raise InvalidRequest(f"{where} is empty.", param=where)
        return texts


class DocumentText(ApiResponse):
    """The text of a document."""

    text: str


class RankedDocument(ApiResponse):
    """`index` is the document's place in the request. `relevance_score` is a cross-encoder's
    probability, or with an embedding model the cosine of the vectors, from -1 to 1."""

    index: int
    relevance_score: float
    document: DocumentText | None = None


class RankedIndex(ApiResponse):
    """A ranked document without its text."""

    index: int
    relevance_score: float


class RerankResponse(ApiResponse):
    """Answer of `POST /v1/rerank`: `results`, the best first. `data` has the same without texts,
    for clients of Voyage's API."""

    object: Literal["list"]
    id: str
    model: str
    results: list[RankedDocument]
    data: list[RankedIndex]
    usage: EmbeddingUsage
