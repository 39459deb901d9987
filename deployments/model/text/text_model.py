"""A text model in this process: GenerateRequest in, Completion or Chunks out, over any Engine.

Renders and counts the prompt, checks it against the context, fans out the choices, turns tokens
into text, applies stop strings and the deadline. Knows nothing of HTTP or Ray.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

from cluster.runtime.clock import Clock
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, PromptTooLong
from deployments.contracts.engine import Engine, TokenRequest
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    TokenUsage,
)
from deployments.model.queueing.admission import Admission
from deployments.model.queueing.ticket import QueueTicket
from deployments.model.ray_errors import model_failed
from deployments.model.routing import RoutingStats
from deployments.model.spec import LiveConfig
from deployments.model.stats import Throughput
from deployments.model.text.choice_decoder import ChoiceDecoder, TextDelta
from deployments.model.text.merge import merge
from deployments.model.text.prompt_encoder import PromptEncoder
from deployments.model.text.tokenizer import Tokenizer
from deployments.model.text.usage_tracking import UsageRegistry, UsageTracker

T = TypeVar("T")

_AT_THE_END = float("inf")
_CHUNKS_PER_S = 300.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The part of a spec that a text model enforces."""

    context_length: int
    max_output_tokens: int = 4096
    max_running: int = 32
    max_waiting: int = 256
    target_wait_s: float = 2.0
    stream_interval_s: float = 0.02
    cache_tokens: int = 0


class TextModel:
    """Implements `Generator`. One instance serves one engine on one event loop."""

    def __init__(
        self, engine: Engine, tokenizer: Tokenizer, card: ModelCard, limits: Limits, clock: Clock
    ) -> None:
        self.engine = engine
        self.admission = Admission(
            limits.max_running, limits.max_waiting, limits.target_wait_s, clock, limits.cache_tokens
        )
        self.stream_interval_s = limits.stream_interval_s
        self._throughput = Throughput(clock)
        self._routing = RoutingStats()
        self._tokenizer = tokenizer
        self._card = card
        self._limits = limits
        self._calls = UsageRegistry()
        self._prompts = PromptEncoder(tokenizer, card.id, limits.context_length)

    def card(self) -> ModelCard:
        return self._card

    def reconfigure(self, tunables: LiveConfig) -> None:
        """Change what may change while requests run."""
        if tunables.max_waiting is not None:
            self.admission.max_waiting = tunables.max_waiting
        if tunables.target_wait_s is not None:
            self.admission.shedder.target_wait_s = tunables.target_wait_s
        if tunables.stream_interval_s is not None:
            self.stream_interval_s = tunables.stream_interval_s
        self._routing.tune(tunables)

    def load(self) -> dict[str, int | float]:
        """Sequences running and queued now, and tokens a second over the last second or more."""
        rate = self._throughput.rate(self.engine.stats().tokens_out)
        return {**self.admission.load(), "tokens_per_s": rate}

    def routing(self) -> dict[str, int | float]:
        """What callers choose a replica by."""
        admission, rate = self.admission, self.load()["tokens_per_s"]
        running, waiting = admission.running, admission.waiting
        return self._routing.figures(running, waiting, admission.queue.limit, rate)

    async def close(self) -> None:
        """Refuse new requests and those that wait, end the engine; open ones fail with Draining."""
        self.admission.close()
        await self.engine.stop()
        self._prompts.close()

    async def settle(self, call: str) -> TokenUsage:
        """What a call that was given up has used, exactly; waits a few seconds for its end."""
        return await self._calls.settle(call)

    def begin(self, request: GenerateRequest) -> "_LocalModelCall":
        """A call that can be asked, when it was given up, what it has used."""
        return _LocalModelCall(self, request)

    async def generate(self, request: GenerateRequest) -> Completion:
        """All choices, whole.

        Tokens come in one batch where no stop string has to be watched for.
        """
        with self._open(request) as open_call:
            found = await _Timer(request, open_call.place).wait(self._whole(request, open_call))
            usage = open_call.tracker.usage()
        choices = tuple(_choice(index, part) for index, part in enumerate(found))
        return Completion(choices, usage, self._card.id)

    @contextmanager
    def _open(self, request: GenerateRequest) -> Iterator["_OpenCall"]:
        """The call's places in the queue, and the account of what it uses."""
        with self.admission.admit(request) as place:
            tracker = self._calls.open(request.call)
            try:
                yield _OpenCall(place, tracker)
            finally:
                tracker.close()

    async def _whole(
        self, request: GenerateRequest, open_call: "_OpenCall"
    ) -> list[list[TextDelta]]:
        """The pieces of every choice."""
        prompt = await self._prompts.encode(request, open_call.place)
        interval_s = self.stream_interval_s if request.sampling.stop else _AT_THE_END
        sequences = self._sequences(request, prompt, interval_s)
        texts = [self._text(request) for _ in sequences]
        found: list[list[TextDelta]] = [[] for _ in sequences]
        async with aclosing(self._pieces(sequences, texts, open_call)) as pieces:
            async for index, piece in pieces:
                found[index].append(piece)
        return found

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """Chunks of all choices as they come; closing the generator frees the engine's slots."""
        with self._open(request) as open_call:
            open_call.place.streams()
            timer = _Timer(request, open_call.place)
            prompt = await timer.wait(self._prompts.encode(request, open_call.place))
            sequences = self._sequences(request, prompt, self._interval_s())
            texts = [self._text(request) for _ in sequences]
            left, told = len(sequences), _Told(len(prompt), texts)
            async with aclosing(self._pieces(sequences, texts, open_call)) as pieces:
                while left:
                    index, piece = await timer.wait(anext(pieces))
                    left -= piece.finish_reason is not None
                    if piece.text or piece.finish_reason or piece.logprobs:
                        usage = None if left else open_call.tracker.usage()
                        yield Chunk(
                            index,
                            piece.text,
                            piece.finish_reason,
                            piece.logprobs,
                            usage,
                            *told.news(),
                        )

    def _interval_s(self) -> float:
        """How long a new stream may hold tokens back.

        Each chunk costs the replica and the ingress about as much as a small request, so their
        number is bounded for the replica as a whole and not for each stream.
        """
        return max(self.stream_interval_s, self.admission.running / _CHUNKS_PER_S)

    def _sequences(
        self, request: GenerateRequest, prompt: tuple[int, ...], interval_s: float
    ) -> list[TokenRequest]:
        """One token request a choice, choice i with seed + i."""
        sampling = request.sampling
        first = TokenRequest(
            request_id=request.request_id,
            prompt_ids=prompt,
            max_tokens=self._max_tokens(len(prompt), sampling.max_tokens),
            stop_ids=frozenset() if sampling.ignore_eos else self._tokenizer.eos_ids,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=sampling.seed,
            presence_penalty=sampling.presence_penalty,
            frequency_penalty=sampling.frequency_penalty,
            logprobs=sampling.logprobs,
            tenant=request.caller.tenant,
            interval_s=interval_s,
        )
        if request.n == 1:
            return [first]
        seeds = [None if sampling.seed is None else sampling.seed + i for i in range(request.n)]
        return [
            replace(first, request_id=f"{request.request_id}/{i}", seed=seed)
            for i, seed in enumerate(seeds)
        ]

    def _max_tokens(self, prompt_tokens: int, asked: int | None) -> int:
        """What the sequence may generate, after a prompt that leaves room for a token or more.

        Raises PromptTooLong, or InvalidRequest above the model's cap.
        """
        limit, cap = self._limits.context_length, self._limits.max_output_tokens
        room = limit - prompt_tokens
        if asked is None:
            return min(room, cap)
        if asked > cap:
            raise InvalidRequest(f"max_tokens is {asked}; the most is {cap}.", param="max_tokens")
        if asked > room:
            raise PromptTooLong(self._card.id, prompt_tokens, limit, reserved=asked)
        return asked

    def _text(self, request: GenerateRequest) -> ChoiceDecoder:
        tokenizer = self._tokenizer
        return ChoiceDecoder(tokenizer.detokenizer(), request.sampling.stop, tokenizer.token_bytes)

    def _pieces(
        self,
        sequences: Sequence[TokenRequest],
        texts: Sequence[ChoiceDecoder],
        open_call: "_OpenCall",
    ) -> AsyncGenerator[tuple[int, TextDelta], None]:
        """(choice, piece) of every sequence as they come; each ends with a finish reason."""
        open_call.tracker.prepare(len(sequences[0].prompt_ids), texts)
        parts = [
            self._one(index, sequence, text, open_call)
            for index, (sequence, text) in enumerate(zip(sequences, texts, strict=True))
        ]
        return parts[0] if len(parts) == 1 else merge(parts)

    async def _one(
        self, index: int, sequence: TokenRequest, text: ChoiceDecoder, open_call: "_OpenCall"
    ) -> AsyncGenerator[tuple[int, TextDelta], None]:
        place, tracker = open_call.place, open_call.tracker
        await place.acquire_slot()
        sequence = replace(sequence, on_left=tracker.on_left(index))
        tracker.begin(index)
        try:
            async with aclosing(self.engine.generate(sequence)) as batches:
                async for tokens in batches:
                    place.charge_output_tokens(len(tokens.ids))
                    text.add(tokens)
                    while (piece := text.take()) is not None and piece.finish_reason is None:
                        yield index, piece
                        if text.waiting:
                            await asyncio.sleep(0)
                    if piece is not None:
                        break
                else:
                    raise model_failed(self._card.id, "the engine ended without a reason")
                tracker.end(index)
        except Exception:
            tracker.end(index)
            raise
        except BaseException:  # the reader has left; the engine tells the tracker what it still had
            text.count()
            if text.ended:
                tracker.end(index)
            raise
        place.done()
        yield index, piece


@dataclass(frozen=True, slots=True)
class _OpenCall:
    """A call under way: its places in the queue, and the account of what it uses."""

    place: QueueTicket
    tracker: UsageTracker


class _LocalModelCall:
    """One call of a model in this process."""

    def __init__(self, model: TextModel, request: GenerateRequest) -> None:
        self._model = model
        self._request = replace(request, call=request.call or uuid.uuid4().hex)

    async def generate(self) -> Completion:
        return await self._model.generate(self._request)

    def stream(self) -> AsyncGenerator[Chunk, None]:
        return self._model.stream(self._request)

    def settlement(self) -> Awaitable[TokenUsage] | None:
        return self._model.settle(self._request.call)


class _Told:
    """What a stream's chunks have said of its tokens so far."""

    def __init__(self, prompt: int, texts: Sequence[ChoiceDecoder]) -> None:
        self._prompt = prompt
        self._texts = texts
        self._written = 0

    def news(self) -> tuple[int, int]:
        """Tokens written since the last chunk, and those of the prompt with the first."""
        written = sum(text.tokens for text in self._texts)
        prompt, self._prompt = self._prompt, 0
        new, self._written = written - self._written, written
        return new, prompt


class _Timer:
    """A request's deadline.

    It covers waiting for a place and for the model, never the time that a consumer takes.
    """

    def __init__(self, request: GenerateRequest, place: QueueTicket) -> None:
        self._place = place
        self._limit_s = request.timeout_s
        self._at = asyncio.get_running_loop().time() + request.timeout_s

    async def wait(self, work: Awaitable[T]) -> T:
        """The result of `work`. Raises DeadlineExceeded when the time is up first."""
        try:
            async with asyncio.timeout_at(self._at):
                return await work
        except TimeoutError as error:
            stage = "model" if self._place.granted else "queue"
            raise DeadlineExceeded(stage, round(self._limit_s, 3)) from error


def _choice(index: int, pieces: Sequence[TextDelta]) -> Choice:
    reason = pieces[-1].finish_reason
    assert reason is not None, "a choice is built once it has ended"
    logprobs = [piece.logprobs for piece in pieces if piece.logprobs is not None]
    return Choice(
        index=index,
        text="".join(piece.text for piece in pieces),
        finish_reason=reason,
        logprobs=tuple(chain.from_iterable(logprobs)) if logprobs else None,
    )
