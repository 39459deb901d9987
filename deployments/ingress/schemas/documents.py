"""What callers send about documents, and what they get. Instants are Unix seconds; offsets are code
points."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from deployments.contracts.documents import BlockKind, DocumentFormat
from deployments.documents.model import DocumentState, PlaceState
from deployments.ingress.schemas.admin import Label, PageQuery, PageResponse, Strict, example
from deployments.ingress.schemas.answers import TokenUsage
from deployments.ingress.schemas.batches import FileId
from deployments.ingress.schemas.content import EndUser
from deployments.ingress.schemas.records import Url
from deployments.ingress.schemas.sources import (
    CitationResponse,
    CollectionName,
    DocumentId,
    DocumentIds,
)
from deployments.ingress.schemas.text import MAX_SENTENCES, WritingFallback, check_characters

MAX_QUESTION = 2_000  # characters
MAX_PASSAGES = 20

Password = Annotated[str, Field(max_length=128)]
ModelName = Annotated[
    str | None,
    Field(
        max_length=100,
        description="A provider, or a name of a model; left out: the tenant's default model, or "
        "the default provider.",
    ),
]


class DocumentCreate(Strict):
    """Body of `POST /api/v1/documents`: the URL of a document, or a file of `/v1/files`. In a form
    the same fields stand beside `file`, which is the document itself. It is indexed in `collection`
    (left out: `documents`, which is made when it is needed), unless `index` is false. `ocr`: pages
    that are pictures are recognised, where that is installed."""

    model_config = example(url="https://example.com/report.pdf", name="Report")

    url: Url | None = None
    file_id: FileId | None = None
    name: Label | None = None
    password: Annotated[Password, Field(description="Of an encrypted PDF.")] = ""
    ocr: bool = True
    index: bool = True
    collection: CollectionName | None = None

    @model_validator(mode="after")
    def _names_one_source(self) -> Self:
        if self.url is not None and self.file_id is not None:
            raise ValueError("give `url` or `file_id`, not both")
        if self.collection is not None and not self.index:
            raise ValueError("with `index` false there is no `collection`")
        return self


class DocumentQuery(Strict):
    """Which document."""

    model_config = example(document="doc_0123456789abcdef01234567")

    document: DocumentId


class DocumentListQuery(PageQuery):
    """Which documents, newest first."""

    state: DocumentState | None = None


class DocumentPartQuery(PageQuery):
    """Which part of a document: at most `limit` entries after number `after`."""

    limit: Annotated[int, Field(ge=1, le=1_000)] = 200
    after: Annotated[int, Field(ge=-1, le=2**31 - 1)] = -1
    cursor: None = None


class DocumentSummaryBody(Strict):
    """Body of `POST /api/v1/documents/{document}/summary`. `extractive` gives the sentences that
    stand for the whole, word for word, with their places; `model` lets a text model write."""

    model_config = example(sentences=5)

    method: Literal["extractive", "model"] = "extractive"
    sentences: Annotated[int, Field(ge=1, le=MAX_SENTENCES)] = 5
    max_characters: Annotated[int, Field(ge=20, le=20_000)] | None = None
    model: ModelName = None
    user: EndUser | None = None


class DocumentSummaryRequest(DocumentSummaryBody):
    """The same by handle, or as an item of a batch."""

    model_config = example(document="doc_0123456789abcdef01234567", sentences=5)

    document: DocumentId


class AskDocumentsRequest(Strict):
    """Body of `POST /api/v1/documents/ask`. It is answered from `documents`, from the documents of
    a `collection`, or from all that are in the collection `documents`.

    `extractive` answers with the best sentences as they stand there; `model` lets a text model
    answer from them; left out: the model, if its context has room for them. `passages` is how many
    are looked at."""

    model_config = example(
        question="How long is the warranty of the Falcon X200?",
        documents=["doc_0123456789abcdef01234567"],
    )

    question: Annotated[
        str, Field(min_length=1, max_length=MAX_QUESTION), AfterValidator(check_characters)
    ]
    documents: DocumentIds | None = None
    collection: CollectionName | None = None
    method: Literal["extractive", "model"] | None = None
    model: ModelName = None
    passages: Annotated[int, Field(ge=1, le=MAX_PASSAGES)] = 5
    stream: bool = False
    user: EndUser | None = None


class DocumentPlaceResponse(BaseModel):
    """A collection that a document is, or will be, in."""

    collection: str
    state: PlaceState
    points: int


class DocumentResponse(BaseModel):
    """A document. `reading`: a job reads it; `readable`: its text is there; `indexed`: it can be
    asked. `problem` says why it has failed, `notes` what of it could not be read. `job` is the last
    one that worked on it. `by` is what read it."""

    object: Literal["document"]
    id: str
    name: str
    state: DocumentState
    format: DocumentFormat | None
    title: str
    language: str | None
    sha256: str | None
    bytes: int
    pages: int
    blocks: int
    chunks: int
    characters: int
    by: str
    notes: list[str]
    problem: dict[str, Any] | None
    job: str | None
    created: float
    updated: float
    collections: list[DocumentPlaceResponse]


class DocumentPage(PageResponse):
    data: list[DocumentResponse]


class BlockResponse(BaseModel):
    """A part of a document. `level` of a heading is from 1 to 6. `box` is its place on the page:
    left, top, right, bottom, as parts of the page's width and height; null: not known."""

    number: int
    page: int
    kind: BlockKind
    level: int
    text: str
    box: list[float] | None


class BlockPage(BaseModel):
    """`next_after` is None on the last page."""

    data: list[BlockResponse]
    next_after: int | None


class ChunkResponse(BaseModel):
    """What is indexed as one: from `start` in block `block` up to `end` in block `last_block`.
    `heading` is the path of headings above it."""

    number: int
    page: int
    heading: str
    block: int
    start: int
    last_block: int
    end: int
    text: str


class ChunkPage(BaseModel):
    """`next_after` is None on the last page."""

    data: list[ChunkResponse]
    next_after: int | None


class AnswerSentenceResponse(BaseModel):
    """A sentence of an answer. Not `cited`: no quote was found for it. `removed` are the numbers of
    marks that were not true."""

    text: str
    cited: bool
    marks: list[int]
    removed: list[int]


class SourceResponse(BaseModel):
    """A passage that was looked at: `number` is that of its marks."""

    number: int
    document: str
    name: str
    page: int
    score: float


class DocumentAnswerResponse(BaseModel):
    """Answer of `POST /api/v1/documents/ask`. Not `found`: the answer is not in these documents,
    and `reason` says why that is so. `method` is what `answer` was made by, `fallback` why no
    model's answer is given."""

    object: Literal["document.answer"]
    id: str
    created: int
    found: bool
    answer: str
    method: Literal["extractive", "model"]
    by: str
    reason: str | None
    fallback: str | None
    evidence: float
    sentences: list[AnswerSentenceResponse]
    citations: list[CitationResponse]
    sources: list[SourceResponse]
    usage: TokenUsage


class DocumentSummaryResponse(BaseModel):
    """A summary; `citations` are the places of its sentences where these were taken word for
    word."""

    object: Literal["document.summary"]
    id: str
    created: int
    document: str
    text: str | None
    method: Literal["extractive", "model"]
    by: str
    fallback: WritingFallback | None
    citations: list[CitationResponse]
    usage: TokenUsage
    characters: int
