"""Completions as streams of chunks, and streams of chunks as Completions.

In and out: the values of deployments/contracts/generation.py. A Completion that was streamed and
aggregated again is the same; a stream only loses where it was cut into chunks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from cluster.runtime.problems import ModelFailed
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    FinishReason,
    TokenLogprob,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
)
from deployments.contracts.tool_calls import joined_calls


class PrefixMismatch(Exception):
    """A completion does not begin with the chunks that were already sent."""


class ChunkAggregator:
    """Add a stream's chunks in order; `completion` is what they make."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._choices: dict[int, _ChoiceState] = {}
        self._usage: TokenUsage | None = None

    def add(self, chunk: Chunk) -> None:
        self._model = chunk.model or self._model
        self._choices.setdefault(chunk.index, _ChoiceState()).add(chunk)
        self._usage = chunk.usage or self._usage

    @property
    def complete(self) -> bool:
        """Whether the stream's last chunk is in."""
        return self._usage is not None

    def completion(self) -> Completion:
        """Raises ModelFailed if the stream was interrupted."""
        choices = tuple(state.choice(index) for index, state in sorted(self._choices.items()))
        complete = tuple(choice for choice in choices if choice is not None)
        if self._usage is None or len(complete) < len(choices):
            raise ModelFailed(self._model, "The model's stream was interrupted.")
        return Completion(complete, self._usage, self._model)


class _ChoiceState:
    """The chunks of one choice so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.logprobs: list[tuple[TokenLogprob, ...]] = []
        self.calls: list[tuple[ToolCallDelta, ...]] = []
        self.refusal = self.reasoning = ""
        self.finish_reason: FinishReason | None = None
        self.stop = ""

    def add(self, chunk: Chunk) -> None:
        self.texts.append(chunk.text)
        if chunk.logprobs is not None:
            self.logprobs.append(chunk.logprobs)
        if chunk.tool_calls:
            self.calls.append(chunk.tool_calls)
        self.refusal += chunk.refusal
        self.reasoning += chunk.reasoning
        self.finish_reason = chunk.finish_reason or self.finish_reason
        self.stop = chunk.stop or self.stop

    def choice(self, index: int) -> Choice | None:
        if self.finish_reason is None:
            return None
        logprobs = tuple(chain.from_iterable(self.logprobs)) if self.logprobs else None
        text, calls = "".join(self.texts), joined_calls(self.calls) if self.calls else ()
        return Choice(
            index,
            text,
            self.finish_reason,
            logprobs,
            calls,
            self.stop,
            self.refusal,
            self.reasoning,
        )

    def remaining(self, choice: Choice) -> Chunk | None:
        """The part of `choice` after these chunks; None if they are all of it."""
        text = "".join(self.texts)
        ended = self.finish_reason is not None
        if not choice.text.startswith(text) or (ended and choice.text != text):
            raise PrefixMismatch
        calls: tuple[ToolCallDelta, ...] = ()
        if self.calls or choice.tool_calls:
            calls = _remaining_calls(joined_calls(self.calls), choice.tool_calls)
        refusal = _remaining_text(self.refusal, choice.refusal)
        reasoning = _remaining_text(self.reasoning, choice.reasoning)
        if ended and (calls or refusal or reasoning):
            raise PrefixMismatch
        sent = sum(map(len, self.logprobs))
        logprobs = None if choice.logprobs is None else choice.logprobs[sent:]
        if ended:
            return None
        rest = choice.text[len(text) :]
        return Chunk(
            choice.index,
            rest,
            choice.finish_reason,
            logprobs,
            tool_calls=calls,
            stop=choice.stop,
            refusal=refusal,
            reasoning=reasoning,
        )


def _remaining_text(sent: str, whole: str) -> str:
    if not whole.startswith(sent):
        raise PrefixMismatch
    return whole[len(sent) :]


def _remaining_calls(
    sent: Sequence[ToolCall], calls: Sequence[ToolCall]
) -> tuple[ToolCallDelta, ...]:
    """What completes `calls` after those that were `sent`. Raises PrefixMismatch."""
    if len(sent) > len(calls):
        raise PrefixMismatch
    remaining: list[ToolCallDelta] = []
    for index, call in enumerate(calls):
        if index >= len(sent):
            remaining.append(ToolCallDelta(index, call.id, call.name, call.arguments))
            continue
        begun = sent[index]
        same = (begun.id, begun.name) == (call.id, call.name)
        if not same or not call.arguments.startswith(begun.arguments):
            raise PrefixMismatch
        if rest := call.arguments[len(begun.arguments) :]:
            remaining.append(ToolCallDelta(index, arguments=rest))
    return tuple(remaining)


def chunks_of(completion: Completion) -> Iterator[Chunk]:
    """The completion as a stream: one chunk for each choice."""
    return remaining_chunks((), completion)


def remaining_chunks(
    sent: Iterable[Chunk], completion: Completion, requested_model: str | None = None
) -> Iterator[Chunk]:
    """The chunks that complete a stream that began with `sent`. The first names the model if that
    is not the requested one.

    A Completion does not say how many tokens each choice took, so they are split evenly. Raises
    PrefixMismatch.
    """
    states: dict[int, _ChoiceState] = {}
    counted = TokenUsage()
    for chunk in sent:
        states.setdefault(chunk.index, _ChoiceState()).add(chunk)
        counted += TokenUsage(chunk.prompt_tokens, chunk.tokens)
    remaining = [
        states.get(choice.index, _ChoiceState()).remaining(choice) for choice in completion.choices
    ]
    chunks = [chunk for chunk in remaining if chunk is not None]
    named = not states and requested_model not in (None, completion.model)
    return _add_usage(chunks, counted, completion.usage, completion.model if named else "")


def _add_usage(
    chunks: Sequence[Chunk], counted: TokenUsage, usage: TokenUsage, model: str
) -> Iterator[Chunk]:
    """`chunks` with the tokens that are not `counted` yet, the model on the first and the usage on
    the last.
    """
    prompt = usage.prompt_tokens if counted == TokenUsage() else 0
    left = max(0, usage.completion_tokens - counted.completion_tokens)
    for number, chunk in enumerate(chunks):
        share = left // (len(chunks) - number)
        last = number == len(chunks) - 1
        yield replace(
            chunk,
            usage=usage if last else None,
            tokens=share,
            prompt_tokens=prompt if number == 0 else 0,
            model=model if number == 0 else "",
        )
        left -= share
