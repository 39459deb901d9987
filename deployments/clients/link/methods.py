"""The methods of replicas that are called over links: their names and what they carry."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from deployments.clients.link.values import ValueCodec
from deployments.contracts.audio import (
    ExaminedFile,
    ExamineRequest,
    MeasureRequest,
    SoundMeasures,
    TranscribeRequest,
    TranscriptPart,
)
from deployments.contracts.classification import Classification, ClassifyRequest
from deployments.contracts.documents import DocumentPart, ReadDocumentRequest
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    SettleRequest,
    TokenUsage,
)
from deployments.contracts.images import ReadImages, ReadImagesRequest
from deployments.contracts.search import SearchAnswer, SearchRequest
from deployments.contracts.text_analysis import AnalyzeRequest, TextAnalysis
from deployments.contracts.text_relay import TextRelay
from deployments.contracts.tokenization import (
    Detokenization,
    DetokenizeRequest,
    Tokenization,
    TokenizeRequest,
)

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class LinkMethod(Generic[Request, Answer]):
    """`streams`: it answers with items of the class `Answer`, else with one."""

    name: str
    request: ValueCodec[Request]
    answer: ValueCodec[Answer]
    streams: bool = False


@dataclass(frozen=True, slots=True)
class RelayedStream:
    """The handler of a stream that may pass pieces of text to a relay, besides its items. A piece
    may be held for `hold_s` seconds, to be sent together with those of other streams."""

    begin: Callable[[Any, TextRelay], AsyncGenerator[Any, None]]
    hold_s: Callable[[], float] = float


# A coroutine function, or of a stream an async generator function; what it gives or yields is an
# answer or a Problem.
Handler = Callable[[Any], Any] | RelayedStream
Handlers = Mapping[LinkMethod[Any, Any], Handler]

GENERATE = LinkMethod("generate", ValueCodec(GenerateRequest), ValueCodec(Completion))
STREAM = LinkMethod("stream", ValueCodec(GenerateRequest), ValueCodec(Chunk), streams=True)
SETTLE = LinkMethod("settle", ValueCodec(SettleRequest), ValueCodec(TokenUsage))
EMBED = LinkMethod("embed", ValueCodec(EmbedRequest), ValueCodec(Embeddings))
CLASSIFY = LinkMethod("classify", ValueCodec(ClassifyRequest), ValueCodec(Classification))
ANALYZE = LinkMethod("analyze", ValueCodec(AnalyzeRequest), ValueCodec(TextAnalysis))
EXAMINE = LinkMethod("examine", ValueCodec(ExamineRequest), ValueCodec(ExaminedFile))
READ_IMAGES = LinkMethod("read_images", ValueCodec(ReadImagesRequest), ValueCodec(ReadImages))
READ_DOCUMENT = LinkMethod(
    "read_document", ValueCodec(ReadDocumentRequest), ValueCodec(DocumentPart), streams=True
)
SEARCH_COLLECTION = LinkMethod(
    "search_collection", ValueCodec(SearchRequest), ValueCodec(SearchAnswer)
)
READ_DOCUMENT = LinkMethod(
    "read_document", ValueCodec(ReadDocumentRequest), ValueCodec(DocumentPart), streams=True
)
MEASURE = LinkMethod("measure", ValueCodec(MeasureRequest), ValueCodec(SoundMeasures))
TRANSCRIBE = LinkMethod(
    "transcribe", ValueCodec(TranscribeRequest), ValueCodec(TranscriptPart), streams=True
)
TOKENIZE = LinkMethod("tokenize", ValueCodec(TokenizeRequest), ValueCodec(Tokenization))
DETOKENIZE = LinkMethod("detokenize", ValueCodec(DetokenizeRequest), ValueCodec(Detokenization))

METHODS: dict[str, LinkMethod[Any, Any]] = {
    method.name: method
    for method in (
        GENERATE,
        STREAM,
        SETTLE,
        EMBED,
        CLASSIFY,
        ANALYZE,
        EXAMINE,
        READ_IMAGES,
        READ_DOCUMENT,
        MEASURE,
        TRANSCRIBE,
        TOKENIZE,
        DETOKENIZE,
        SEARCH_COLLECTION,
    )
}
