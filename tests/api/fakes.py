"""Stand-ins for what lies behind the ingress; each does one simple thing, deterministically."""

import asyncio
import copy
from collections.abc import AsyncGenerator, Iterable

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit.record import AuditRecord
from cluster.runtime.problems import (
    ModelFailed,
    Overloaded,
    Problem,
    PromptTooLong,
    UnsupportedParameter,
)
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from cluster.usage.collected_usage import CollectedUsage
from deployments.contracts.classification import Classification, ClassifyRequest
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
    TokenLogprob,
    TokenUsage,
)
from deployments.contracts.tokenization import (
    Detokenization,
    DetokenizeRequest,
    Tokenization,
    TokenizeRequest,
)

CONTEXT = 64


class Records:
    """Keeps audit lines and usage in lists."""

    def __init__(self) -> None:
        self.lines: list[AuditRecord] = []
        self.usage: list[tuple[str, str, UsageAmounts]] = []
        self.calls: list[tuple[Caller, tuple[str, ...], int | None]] = []
        self.kept_tags: list[tuple[str, ...]] = []
        self.kept: list[tuple[str, str]] = []

    def enqueue(self, record: AuditRecord) -> None:
        self.lines.append(record)

    def record_call(
        self,
        caller: Caller,
        plan: Plan,
        model: str,
        amounts: UsageAmounts,
        tags: tuple[str, ...] = (),
        cost: int | None = None,
        collected: CollectedUsage | None = None,
    ) -> None:
        self.usage.append((caller.tenant, model, amounts))
        self.calls.append((caller, tags, cost))

    def record_cache_hit(
        self,
        caller: Caller,
        plan: Plan,
        model: str,
        tags: tuple[str, ...] = (),
        collected: CollectedUsage | None = None,
    ) -> None:
        self.kept.append((caller.tenant, model))
        self.kept_tags.append(tags)

    async def store_collected(
        self, connection: AsyncConnection, collected: Iterable[CollectedUsage]
    ) -> None:
        """What was collected is in the lists at once."""

    def confirm_collected(self, collected: Iterable[CollectedUsage]) -> None:
        """As above."""


class WordsModel:
    """Answers every request with the same words; one word is one token.

    `problem` is raised before the first word. `fail_after` words it raises ModelFailed; `hold`
    makes it wait before each word until the event is set. `open` counts the calls that have not
    ended. `reported` is what it says that a call used, where that is not what it did.
    """

    def __init__(self, words: str = "one two three", fail_after: int | None = None) -> None:
        self.words = words.split()
        self.fail_after = fail_after
        self.problem: Problem | None = None
        self.hold: asyncio.Event | None = None
        self.up = True
        self.open = 0
        self.reported: TokenUsage | None = None
        self.capabilities: frozenset[str] = frozenset()
        self.requests: list[GenerateRequest] = []
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()

    async def card(self) -> ModelCard:
        if not self.up:
            raise Overloaded("'words' is not up.")
        capabilities = self.capabilities
        edge = 512 if "images" in capabilities else 0
        return ModelCard(
            *("words", "echo", "words", "rev1", CONTEXT, 1_700_000_000),
            capabilities=capabilities,
            max_image_edge=edge,
        )

    async def load(self) -> ModelLoad:
        if not self.up:
            raise Overloaded("'words' is not up.")
        asked = len(self.requests)
        return ModelLoad(self.open, 0, asked, asked - self.open, 0, 0, 0, self.open)

    async def tokenize(self, request: TokenizeRequest) -> Tokenization:
        text = request.prompt or " ".join(message.content for message in request.messages)
        return tokenized(text, request, "words")

    async def detokenize(self, request: DetokenizeRequest) -> Detokenization:
        return detokenized(request, "words")

    async def generate(self, request: GenerateRequest) -> Completion:
        texts: dict[int, str] = {}
        logprobs: dict[int, list[TokenLogprob]] = {}
        usage = TokenUsage()
        async for chunk in self.stream(request):
            texts[chunk.index] = texts.get(chunk.index, "") + chunk.text
            logprobs.setdefault(chunk.index, []).extend(chunk.logprobs or ())
            usage = chunk.usage or usage
        wanted = request.sampling.logprobs is not None
        choices = tuple(
            Choice(i, text, "stop", tuple(logprobs[i]) if wanted else None)
            for i, text in sorted(texts.items())
        )
        return Completion(choices, usage, request.model)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self.requests.append(request)
        self.open += 1
        self.opened.set()
        try:
            async for chunk in self._chunks(request):
                yield chunk
        finally:
            self.open -= 1
            self.closed.set()

    async def _chunks(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        prompt = request.prompt or " ".join(message.content for message in request.messages)
        size = len(request.prompt_ids) or len(prompt.split())
        if self.problem is not None:
            raise copy.copy(self.problem)
        if size > CONTEXT:
            raise PromptTooLong("words", size, CONTEXT)
        words = self.words[: request.sampling.max_tokens]
        for index in range(request.n):
            if request.echo:
                yield Chunk(index, f"{prompt}|", logprobs=_logprob(request, f"{prompt}|", None))
            for at, word in enumerate(words):
                if self.fail_after is not None and at >= self.fail_after:
                    raise ModelFailed("words")
                if self.hold is not None:
                    await self.hold.wait()
                text = word if at == 0 else f" {word}"
                first = index == at == 0
                yield Chunk(
                    index,
                    text,
                    logprobs=_logprob(request, text),
                    tokens=1,
                    prompt_tokens=size if first else 0,
                )
            last = index == request.n - 1
            counted = self.reported or TokenUsage(size, len(words) * request.n)
            usage = counted if last else None
            yield Chunk(index, "", "stop", () if request.sampling.logprobs else None, usage)


class LettersEmbedder:
    """A text's vector is how often it has the letters a to d; one word is one token."""

    def __init__(self, name: str = "letters") -> None:
        self.name = name
        self.requests: list[EmbedRequest] = []
        self.problem: Exception | None = None

    async def card(self) -> ModelCard:
        return ModelCard("letters", "fake", "letters", "rev1", CONTEXT, 1_700_000_000)

    async def load(self) -> ModelLoad:
        asked = len(self.requests)
        return ModelLoad(0, 0, asked, asked, 0, 0, 0, 0)

    async def embed(self, request: EmbedRequest) -> Embeddings:
        self.requests.append(request)
        if self.problem is not None:
            raise self.problem
        texts = request.texts or tuple("".join(map(chr, ids)) for ids in request.token_ids)
        rows = [[text.count(letter) for letter in "abcd"] for text in texts]
        tokens = sum(len(text.split()) for text in texts)
        return Embeddings(np.array(rows, dtype=np.float32), tokens, self.name)

    async def tokenize(self, request: TokenizeRequest) -> Tokenization:
        if request.messages:
            raise UnsupportedParameter("messages", "'letters' has no chats; send `prompt`.")
        return tokenized(request.prompt or "", request, "letters")

    async def detokenize(self, request: DetokenizeRequest) -> Detokenization:
        return detokenized(request, "letters")


class WordsClassifier:
    """A text's score is the share of the query's words that it has; without a query it is 1 for
    each label that is a word of the text. One word is one token."""

    def __init__(self, name: str, *labels: str) -> None:
        self.name = name
        self.labels = labels
        self.requests: list[ClassifyRequest] = []
        self.problem: Exception | None = None

    async def card(self) -> ModelCard:
        return ModelCard(self.name, "fake", self.name, "rev1", CONTEXT, 1_700_000_000)

    async def load(self) -> ModelLoad:
        asked = len(self.requests)
        return ModelLoad(0, 0, asked, asked, 0, 0, 0, 0)

    async def classify(self, request: ClassifyRequest) -> Classification:
        self.requests.append(request)
        if self.problem is not None:
            raise self.problem
        words = [set(text.split()) for text in request.texts]
        tokens = sum(map(len, words))
        if request.query is None:
            rows = [[float(label in each) for label in self.labels] for each in words]
        else:
            asked = set(request.query.split())
            rows = [[len(asked & each) / len(asked)] for each in words]
            tokens += len(asked) * len(words)
        scores = np.array(rows, dtype=np.float32)
        return Classification(scores, self.labels, tokens, self.name)


def tokenized(text: str, request: TokenizeRequest, model: str) -> Tokenization:
    """One token a character, and 2 at the beginning, which is special."""
    ids = (*((2,) if request.special else ()), *map(ord, text))
    return Tokenization(ids, CONTEXT, model, tuple(map(chr, ids)) if request.named else ())


def detokenized(request: DetokenizeRequest, model: str) -> Detokenization:
    return Detokenization(
        "".join("<s>" if token == 2 else chr(token) for token in request.ids), model
    )


def _logprob(
    request: GenerateRequest, text: str, known: float | None = -0.5
) -> tuple[TokenLogprob, ...] | None:
    if request.sampling.logprobs is None:
        return None
    if known is None:
        return (TokenLogprob(text, text.encode(), None),)
    top = ((text, text.encode(), -0.5), ("other", b"other", -1.5))
    return (TokenLogprob(text, text.encode(), -0.5, top[: request.sampling.logprobs]),)
