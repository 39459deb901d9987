"""Completions as streams, and streams as Completions.

In and out: the values of deployments/contracts/generation.py. What was streamed and gathered again
is the same answer; only where the stream was cut into chunks is lost.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from cluster.runtime.problems import ModelFailed
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    FinishReason,
    TokenLogprob,
    TokenUsage,
)


class PrefixMismatch(Exception):
    """An answer does not begin with what was already told of it."""


class ChunkAggregator:
    """Feed it a stream's chunks in order; it gives the Completion that they are."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._parts: dict[int, _ChoiceState] = {}
        self._usage: TokenUsage | None = None

    def add(self, chunk: Chunk) -> None:
        self._model = chunk.model or self._model
        self._parts.setdefault(chunk.index, _ChoiceState()).add(chunk)
        self._usage = chunk.usage or self._usage

    @property
    def complete(self) -> bool:
        """Whether the stream's last chunk is in."""
        return self._usage is not None

    def completion(self) -> Completion:
        """Raises ModelFailed when the stream broke off."""
        choices = tuple(part.choice(index) for index, part in sorted(self._parts.items()))
        whole = tuple(choice for choice in choices if choice is not None)
        if self._usage is None or len(whole) < len(choices):
            raise ModelFailed(self._model, "The model's stream broke off.")
        return Completion(whole, self._usage, self._model)


class _ChoiceState:
    """What has been told of one choice."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.logprobs: list[tuple[TokenLogprob, ...]] = []
        self.finish_reason: FinishReason | None = None

    def add(self, chunk: Chunk) -> None:
        self.texts.append(chunk.text)
        if chunk.logprobs is not None:
            self.logprobs.append(chunk.logprobs)
        self.finish_reason = chunk.finish_reason or self.finish_reason

    def choice(self, index: int) -> Choice | None:
        if self.finish_reason is None:
            return None
        logprobs = tuple(chain.from_iterable(self.logprobs)) if self.logprobs else None
        return Choice(index, "".join(self.texts), self.finish_reason, logprobs)

    def rest(self, choice: Choice) -> Chunk | None:
        """What is still to be told of `choice`; None if it was told to its end."""
        text = "".join(self.texts)
        ended = self.finish_reason is not None
        if not choice.text.startswith(text) or (ended and choice.text != text):
            raise PrefixMismatch
        told = sum(map(len, self.logprobs))
        logprobs = None if choice.logprobs is None else choice.logprobs[told:]
        if ended:
            return None
        return Chunk(choice.index, choice.text[len(text) :], choice.finish_reason, logprobs)


def chunks_of(completion: Completion) -> Iterator[Chunk]:
    """The answer as a stream: one chunk for each choice."""
    return remaining_chunks((), completion)


def remaining_chunks(
    told: Iterable[Chunk], completion: Completion, asked: str | None = None
) -> Iterator[Chunk]:
    """The chunks that make `completion` of a stream that has begun with `told`. They name their
    model where that is not the one `asked` for.

    How many tokens each choice took is not known of a Completion, so they are shared out evenly.
    Raises Differs.
    """
    parts: dict[int, _ChoiceState] = {}
    spent = TokenUsage()
    for chunk in told:
        parts.setdefault(chunk.index, _ChoiceState()).add(chunk)
        spent += TokenUsage(chunk.prompt_tokens, chunk.tokens)
    rests = [parts.get(choice.index, _ChoiceState()).rest(choice) for choice in completion.choices]
    whose = "" if parts or asked in (None, completion.model) else completion.model
    found = [rest for rest in rests if rest is not None]
    return _counted(found, spent, completion.usage, whose)


def _counted(
    chunks: Sequence[Chunk], spent: TokenUsage, usage: TokenUsage, whose: str
) -> Iterator[Chunk]:
    """`chunks` with the tokens that were not yet `spent`, the usage on the last and whose they are
    on the first.
    """
    prompt = usage.prompt_tokens if spent == TokenUsage() else 0
    left = max(0, usage.completion_tokens - spent.completion_tokens)
    for number, chunk in enumerate(chunks):
        share = left // (len(chunks) - number)
        last = number == len(chunks) - 1
        yield Chunk(
            chunk.index,
            chunk.text,
            chunk.finish_reason,
            chunk.logprobs,
            usage if last else None,
            share,
            prompt if number == 0 else 0,
            whose if number == 0 else "",
        )
        left -= share
