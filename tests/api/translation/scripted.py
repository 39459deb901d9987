"""A model that answers with what the test wrote for it, cut as the test cut it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from cluster.runtime.problems import ModelFailed, Problem, PromptTooLong
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    FinishReason,
    GenerateRequest,
    ModelCard,
    ModelLoad,
    TokenLogprob,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
)
from deployments.contracts.tokenization import (
    Detokenization,
    DetokenizeRequest,
    Tokenization,
    TokenizeRequest,
)


@dataclass(frozen=True)
class Script:
    """`texts` are the pieces of the text; a call is its id, its name and the pieces of its
    arguments."""

    texts: tuple[str, ...] = ("one", " two", " three")
    calls: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    finish_reason: FinishReason = "stop"
    usage: TokenUsage = TokenUsage(7, 3, 2)
    stop: str = ""

    def completion(self, request: GenerateRequest) -> Completion:
        calls = tuple(ToolCall(id, name, "".join(parts)) for id, name, parts in self.calls)
        logprobs = None
        if request.sampling.logprobs is not None:
            logprobs = tuple(_logprob(text) for text in self.texts)
        text = "".join(self.texts)
        choice = Choice(0, text, self.finish_reason, logprobs, calls, self.stop)
        return Completion((choice,), self.usage, request.model)

    def chunks(self, request: GenerateRequest) -> list[Chunk]:
        wanted = request.sampling.logprobs is not None
        found = [
            Chunk(0, text, logprobs=(_logprob(text),) if wanted else None) for text in self.texts
        ]
        for index, (id, name, parts) in enumerate(self.calls):
            found.append(Chunk(0, "", tool_calls=(ToolCallDelta(index, id, name),)))
            found += [Chunk(0, "", tool_calls=(ToolCallDelta(index, "", "", p),)) for p in parts]
        return [*found, Chunk(0, "", self.finish_reason, usage=self.usage, stop=self.stop)]


@dataclass
class ScriptedModel:
    """`problem` is raised after `problem_after` chunks. A prompt of over `most_characters` is too
    long; `served` are the requests whose prompt was not.
    """

    script: Script = Script()
    problem: Problem | None = None
    problem_after: int = 0
    requests: list[GenerateRequest] = field(default_factory=list)
    most_characters: int = 1 << 20
    served: list[GenerateRequest] = field(default_factory=list)

    async def card(self) -> ModelCard:
        return ModelCard("words", "echo", "words", "rev1", 4_096, 1_700_000_000)

    async def load(self) -> ModelLoad:
        return ModelLoad(0, 0, 0, 0, 0, 0, 0, 0)

    async def tokenize(self, request: TokenizeRequest) -> Tokenization:
        """One word, of messages and of tools, is one token."""
        settings = request.tool_settings
        texts = [message.content for message in request.messages]
        texts += [f"{tool.name} {tool.parameters}" for tool in settings.tools] if settings else []
        words = " ".join(texts).split()
        return Tokenization(tuple(range(len(words))), 4_096, "words")

    async def detokenize(self, request: DetokenizeRequest) -> Detokenization:
        return Detokenization("", "words")

    async def generate(self, request: GenerateRequest) -> Completion:
        self._accept(request)
        if self.problem is not None:
            raise self.problem
        return self.script.completion(request)

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self._accept(request)
        for index, chunk in enumerate(self.script.chunks(request)):
            if self.problem is not None and index == self.problem_after:
                raise self.problem
            yield chunk

    def _accept(self, request: GenerateRequest) -> None:
        self.requests.append(request)
        size = sum(len(message.content) for message in request.messages)
        if size > self.most_characters:
            raise PromptTooLong("words", size, self.most_characters)
        self.served.append(request)


def failing(after: int) -> ScriptedModel:
    return ScriptedModel(problem=ModelFailed("words"), problem_after=after)


def _logprob(text: str) -> TokenLogprob:
    return TokenLogprob(text, text.encode(), -0.5, ((text, text.encode(), -0.5),))
