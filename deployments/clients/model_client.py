"""The clients of model deployments, of Text and of Media: generation, embeddings, classification,
tokens, analysis, recordings; over links or Serve handles.

Flows in: a request. Flows out: a replica's response, chunks or vectors, within the deadline, with
failures as problems. Another replica is tried where one fails before its first output. A caller
that leaves cancels the call on the replica, which then reports what the call used.
"""

import itertools
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from cluster.balancing.replica_set import ReplicaSet
from cluster.resilience.attempts import Attempt
from cluster.resilience.resilient_call import CallStats, ResilientCaller
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.pickle_compat import copied
from cluster.runtime.problems import Problem
from deployments.clients.link.pool import LinkPool, LinkStats
from deployments.clients.replica_caller import ReplicaCaller, ReplicaStream
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
    ModelCard,
    ModelLoad,
    SettleRequest,
    TokenUsage,
)
from deployments.contracts.images import ReadImages, ReadImagesRequest
from deployments.contracts.search import SearchAnswer, SearchRequest
from deployments.contracts.text_analysis import AnalyzeRequest, TextAnalysis
from deployments.contracts.text_generator import MadeAttempt
from deployments.contracts.text_relay import TextRelay
from deployments.contracts.tokenization import (
    Detokenization,
    DetokenizeRequest,
    Tokenization,
    TokenizeRequest,
)

_PROCESS_ID = uuid.uuid4().hex[:12]
_call_numbers = itertools.count(1)
_SETTLING_S = 10.0  # a replica answers within 5 s


class ServedModelClient:
    """What the clients of all kinds of model share."""

    def __init__(
        self,
        model: str,
        caller: ReplicaCaller,
        replicas: ReplicaSet,
        spec: ResilienceSpec,
        clock: Clock,
        links: LinkPool | None = None,
    ) -> None:
        """`replicas` is the replica set of the model's deployment; `links` are the caller's."""
        self._caller = caller
        self._calls = ResilientCaller(model, spec, replicas, clock)
        self._now = clock.monotonic
        self._links = links

    async def card(self) -> ModelCard:
        """The description of the model. Replicas whose cards are asked for get their links."""
        if self._links is not None:
            self._links.active()
        return await self._caller.ask("card")

    async def load(self) -> ModelLoad:
        return await self._caller.ask("load")

    def figures(self) -> CallStats:
        """The outcomes of this process's calls."""
        return self._calls.figures()

    def link_stats(self) -> LinkStats | None:
        """The links of this process to the model's replicas; None where calls go by handle."""
        return None if self._links is None else self._links.stats()

    async def close(self) -> None:
        if self._links is not None:
            await self._links.close()

    async def _call(self, method: str, request: Any) -> Any:
        """A response in one piece; another replica is tried where one fails."""

        def send(call: str, timeout_s: float) -> Attempt[Any]:
            sent = request
            if call != request.request_id:  # a further attempt
                sent = replace(request, request_id=call, timeout_s=timeout_s)
            return self._caller.call(method, sent, call, timeout_s, timeout_s)

        return await self._calls.run(request.request_id, request.timeout_s, send)

    async def _stream(self, method: str, request: Any) -> AsyncGenerator[Any, None]:
        """The items of a stream; another replica is tried where one fails before the first."""

        def send(call: str, timeout_s: float) -> Attempt[Any]:
            sent = request
            if call != request.request_id:  # a further attempt
                sent = replace(request, request_id=call, timeout_s=timeout_s)
            return self._caller.stream(method, sent, call, timeout_s, timeout_s)

        attempt: ReplicaStream
        attempt, first = await self._calls.run(request.request_id, request.timeout_s, send)
        first_s = self._now() - attempt.sent_at
        failure: Problem | None = None
        try:
            if first is not None:
                yield first
            async for item in attempt.rest():
                yield item
            attempt.ended = True
        except Problem as problem:
            failure = problem
            raise
        finally:
            if not attempt.ended and failure is None:
                attempt.cancel()
            self._calls.attempts.stream_ended(attempt, failure, first_s)


class TokenizerClient(ServedModelClient):
    """Implements `TokenizingModel`."""

    async def tokenize(self, request: TokenizeRequest) -> Tokenization:
        tokenization: Tokenization = await self._call("tokenize", request)
        return tokenization

    async def detokenize(self, request: DetokenizeRequest) -> Detokenization:
        detokenization: Detokenization = await self._call("detokenize", request)
        return detokenization


class EmbedderClient(TokenizerClient):
    """Implements `ServedEmbedder` and `TokenizingModel`."""

    async def embed(self, request: EmbedRequest) -> Embeddings:
        embeddings: Embeddings = await self._call("embed", request)
        return embeddings


class ClassifierClient(ServedModelClient):
    """Implements `ServedClassifier`."""

    async def classify(self, request: ClassifyRequest) -> Classification:
        classification: Classification = await self._call("classify", request)
        return classification


class TextAnalysisClient(ServedModelClient):
    """Implements `TextAnalyzer`."""

    async def analyze(self, request: AnalyzeRequest) -> TextAnalysis:
        analysis: TextAnalysis = await self._call("analyze", request)
        return analysis


class MediaReaderClient(ServedModelClient):
    """Implements `MediaReader`, `ImageReader` and `DocumentReader`."""

    async def examine(self, request: ExamineRequest) -> ExaminedFile:
        examined: ExaminedFile = await self._call("examine", request)
        return examined

    async def read_images(self, request: ReadImagesRequest) -> ReadImages:
        images: ReadImages = await self._call("read_images", request)
        return images

    async def measure(self, request: MeasureRequest) -> SoundMeasures:
        measures: SoundMeasures = await self._call("measure", request)
        return measures

    async def transcribe(self, request: TranscribeRequest) -> AsyncGenerator[TranscriptPart, None]:
        async with aclosing(self._stream("transcribe", request)) as parts:
            async for part in parts:
                yield part

    async def read_document(
        self, request: ReadDocumentRequest
    ) -> AsyncGenerator[DocumentPart, None]:
        async with aclosing(self._stream("read_document", request)) as parts:
            async for part in parts:
                yield part


class SearchShardClient(ServedModelClient):
    """Implements `CollectionSearch` for the collections of one shard."""

    async def search(self, request: SearchRequest) -> SearchAnswer:
        answer: SearchAnswer = await self._call("search_collection", request)
        return answer


class ModelClient(TokenizerClient):
    """Implements `ServedModel`, `SettlingModel` and `TokenizingModel`."""

    def begin(self, request: GenerateRequest) -> "RemoteModelCall":
        """A call that reports its usage after it was abandoned."""
        return RemoteModelCall(self, request)

    async def generate(self, request: GenerateRequest) -> Completion:
        return await self.begin(request).generate()

    def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        return self.begin(request).stream()


class RemoteModelCall:
    """One call of a ModelClient; implements `ModelCall`."""

    __slots__ = ("_attempts", "_client", "_id", "_request")
    provider = ""

    def __init__(self, client: ModelClient, request: GenerateRequest) -> None:
        self._client = client
        self._request = request
        self._id = f"{_PROCESS_ID}-{next(_call_numbers):x}"
        self._attempts: list[Attempt[Any]] = []

    async def generate(self) -> Completion:
        send = self._sender("generate", self._client._caller.call)
        return await self._client._calls.run(self._id, self._request.timeout_s, send)

    async def stream(self, relay: TextRelay | None = None) -> AsyncGenerator[Chunk, None]:
        client = self._client
        send = self._sender("stream", client._caller.stream)
        attempt: ReplicaStream
        attempt, first = await client._calls.run(self._id, self._request.timeout_s, send)
        first_s = client._now() - attempt.sent_at
        failure: Problem | None = None
        try:
            if first is not None:
                yield first
            async for chunk in attempt.rest(relay):
                yield chunk
            attempt.ended = True
        except Problem as problem:
            failure = problem
            raise
        finally:
            if not attempt.ended and failure is None:
                attempt.cancel()
            client._calls.attempts.stream_ended(attempt, failure, first_s)

    def _sender(
        self, method: str, caller: Callable[[str, Any, str, float, float], Attempt[Any]]
    ) -> Callable[[str, float], Attempt[Any]]:
        """How one attempt is sent, with the seconds until the deadline."""

        def send(call: str, timeout_s: float) -> Attempt[Any]:
            request = self._request
            if timeout_s != request.timeout_s:  # a further attempt
                request = request.resent(request.request_id, request.model, timeout_s)
            sent = copied(request, call=call)
            attempt = caller(method, sent, call, timeout_s, sent.patience_s)
            self._attempts.append(attempt)
            return attempt

        return send

    def attempts_made(self) -> tuple[MadeAttempt, ...]:
        """Implements `ReportsAttempts`."""
        return tuple(
            MadeAttempt(attempt.sent_at, attempt.replica or "", *(attempt.ending or ()))
            for attempt in self._attempts
        )

    def settlement(self) -> Awaitable[TokenUsage] | None:
        return self._settle() if self._attempts else None

    async def _settle(self) -> TokenUsage:
        """The usage of the attempt that got furthest: further ones were this client's choice."""
        usages = [await self._usage(attempt) for attempt in self._attempts if attempt.replica]
        return max(usages, key=lambda usage: usage.completion_tokens, default=TokenUsage())

    async def _usage(self, attempt: Attempt[Any]) -> TokenUsage:
        request = SettleRequest(attempt.replica or "", attempt.call)
        return await self._client._caller.ask("settle", request, timeout_s=_SETTLING_S)
