"""A text model in this process: GenerateRequest in, Completion or Chunks out, over any Engine.

Renders and counts the prompt, checks it against the context, fans out the choices, turns tokens
into text, applies stop strings and the deadline. Knows nothing of HTTP or Ray.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Sequence
from contextlib import aclosing, closing
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from cluster.runtime.clock import Clock
from cluster.runtime.merge import merge
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, PromptTooLong
from cluster.runtime.shared_timers import SharedTimeout, SharedTimers
from deployments.contracts.engine import Engine, ImagePrompt, OnTokens, TokenRequest
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    TokenUsage,
)
from deployments.contracts.text_relay import TextRelay
from deployments.model.errors import model_failed
from deployments.model.queueing.admission import Admission, QueueTicket
from deployments.model.spec import Limits, LiveConfig
from deployments.model.text.choice_decoder import ChoiceDecoder, TextDelta, build_choice
from deployments.model.text.constraints import FREE, Constraint, ConstraintResolver
from deployments.model.text.image_prompts import encode_image_prompt
from deployments.model.text.load_report import LoadReport
from deployments.model.text.prompt_echo import EchoingDecoder, PromptEcho
from deployments.model.text.token_relay import OutputCounts, TokenRelay, may_relay
from deployments.model.text.tokenization import TokenizationService
from deployments.model.text.tokenizer import PromptEncoder, Tokenizer, encode_messages
from deployments.model.text.usage_tracking import UsageRegistry, UsageTracker

T = TypeVar("T")

EncodedPrompt = tuple[int, ...] | ImagePrompt

_AT_THE_END = float("inf")
_RELAY_SHARE = 0.8
_STOP_INTERVAL_S = 0.02  # between looks for stop strings in a response that is not streamed


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
        self.report = LoadReport(card.id, engine, self.admission, clock)
        self._tokenizer = tokenizer
        self._card = card
        self._limits = limits
        self._calls = UsageRegistry()
        self._timers = SharedTimers()
        self._prompts = PromptEncoder(tokenizer, card.id, limits.context_length)
        self._constraints = ConstraintResolver(
            engine, tokenizer.tool_format, card.id, self._prompts
        )
        self.tokenization = TokenizationService(
            tokenizer, card.id, limits.context_length, partial(encode_messages, tokenizer, card.id)
        )

    @property
    def relay_hold_s(self) -> float:
        """How long a relay may hold what it gets; the engine holds it for the rest of
        `stream_interval_s` at most.
        """
        return _RELAY_SHARE * self.stream_interval_s

    def card(self) -> ModelCard:
        return self._card

    def reconfigure(self, config: LiveConfig) -> None:
        """Apply settings that may change while requests run."""
        if config.max_waiting is not None:
            self.admission.max_waiting = config.max_waiting
        if config.target_wait_s is not None:
            self.admission.shedder.target_wait_s = config.target_wait_s
        if config.stream_interval_s is not None:
            self.stream_interval_s = config.stream_interval_s
        self.report.routing.reconfigure(config)

    async def close(self) -> None:
        """Refuse new and waiting requests, stop the engine; open requests fail with Draining."""
        self.admission.close()
        await self.engine.stop()
        self._prompts.close()
        self.tokenization.close()

    async def settle(self, call: str) -> TokenUsage:
        """The exact usage of an abandoned call; waits a few seconds for its end."""
        return await self._calls.settle(call)

    def begin(self, request: GenerateRequest) -> "_LocalModelCall":
        """A call that reports its usage after it was abandoned."""
        return _LocalModelCall(self, request)

    async def generate(self, request: GenerateRequest) -> Completion:
        """All choices, complete.

        Tokens come in one batch where no stop string has to be watched for.
        """
        with self.admission.admit(request) as ticket, self._calls.open(request.call) as tracker:
            deadline = asyncio.get_running_loop().time() + request.timeout_s
            try:
                async with asyncio.timeout_at(deadline):
                    choices = await self._generate(request, ticket, tracker)
            except TimeoutError as error:
                raise _too_late(request, ticket) from error
            ended = self.admission.clock.monotonic()
            first_at = ticket.first_at or ended
            timing = (ticket.started - ticket.since, first_at - ticket.started, ended - first_at)
            return Completion(choices, tracker.usage(), self._card.id, timing)

    async def _generate(
        self, request: GenerateRequest, ticket: QueueTicket, tracker: UsageTracker
    ) -> tuple[Choice, ...]:
        constraint = FREE
        if request.tool_settings is not None or request.output_format is not None:
            constraint = await self._constraints.resolve(request)
        images = bool(request.images)
        prompt = await (self._encode_images(request) if images else self._prompts.encode(request))
        ticket.charge_prompt_tokens(len(prompt))
        interval_s = _AT_THE_END
        if request.sampling.stop:
            interval_s = max(self.stream_interval_s, _STOP_INTERVAL_S)
        sequences = self._sequences(request, prompt, interval_s, tracker, constraint)
        decoders = self._decoders(request, prompt, constraint)
        deltas: list[list[TextDelta]] = [[] for _ in sequences]
        async with aclosing(self._deltas(sequences, decoders, ticket, tracker)) as merged:
            async for index, delta in merged:
                deltas[index].append(delta)
        with_calls = constraint.tools is not None
        return tuple([build_choice(index, parts, with_calls) for index, parts in enumerate(deltas)])

    async def stream(
        self, request: GenerateRequest, relay: TextRelay | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Chunks of all choices as they come; closing the generator frees the engine's slots.

        `relay` gets what comes after the first chunk and is text only, while the next is awaited.
        """
        ends = asyncio.get_running_loop().time() + request.timeout_s
        with (
            self.admission.admit(request) as ticket,
            self._calls.open(request.call) as tracker,
            closing(SharedTimeout(self._timers, ends, lasts=True)) as deadline,
        ):
            ticket.streams = True
            constraint = FREE
            if request.tool_settings is not None or request.output_format is not None:
                resolving = self._constraints.resolve(request)
                constraint = await _within(deadline, resolving, request, ticket)
            encoding: Coroutine[Any, Any, EncodedPrompt] = (
                self._encode_images(request) if request.images else self._prompts.encode(request)
            )
            prompt = await _within(deadline, encoding, request, ticket)
            ticket.charge_prompt_tokens(len(prompt))
            decoders = self._decoders(request, prompt, constraint)
            counts = OutputCounts(decoders)
            tokens_relay: TokenRelay | None = None
            if relay is not None and may_relay(request, decoders):
                tokens_relay = TokenRelay(relay, decoders[0], ticket, counts)
            interval_s, on_tokens = self.stream_interval_s, None
            if tokens_relay is not None:
                interval_s, on_tokens = interval_s - self.relay_hold_s, tokens_relay.take
            sequences = self._sequences(request, prompt, interval_s, tracker, constraint, on_tokens)
            unfinished, prompt_tokens = len(sequences), len(prompt)
            async with aclosing(self._deltas(sequences, decoders, ticket, tracker)) as deltas:
                while unfinished:
                    index, delta = await _within(deadline, anext(deltas), request, ticket)
                    unfinished -= delta.finish_reason is not None
                    if not (
                        delta.text or delta.finish_reason or delta.logprobs or delta.tool_calls
                    ):
                        continue
                    timing: tuple[float, ...] = ()
                    if not unfinished:
                        ended = self.admission.clock.monotonic()
                        first_at = ticket.first_at or ended
                        waited_s = ticket.started - ticket.since
                        timing = (waited_s, first_at - ticket.started, ended - first_at)
                    yield Chunk(
                        index,
                        delta.text,
                        delta.finish_reason,
                        delta.logprobs,
                        None if unfinished else tracker.usage(),
                        counts.take(),
                        prompt_tokens,
                        tool_calls=delta.tool_calls,
                        stop=delta.stop,
                        timing=timing,
                    )
                    prompt_tokens = 0
                    if tokens_relay is not None:
                        tokens_relay.has_begun = True

    def _encode_images(self, request: GenerateRequest) -> Coroutine[Any, Any, ImagePrompt]:
        """Raises as `encode_image_prompt` does."""
        render, model = self._tokenizer.image_chat, self._card.id
        return encode_image_prompt(request, self.engine, render, model, self._limits.context_length)

    def _sequences(
        self,
        request: GenerateRequest,
        prompt: EncodedPrompt,
        interval_s: float,
        tracker: UsageTracker,
        constraint: Constraint,
        on_tokens: OnTokens | None = None,
    ) -> list[TokenRequest]:
        """A token request for each choice, choice i with seed + i."""
        sampling = request.sampling
        first = TokenRequest(
            request_id=request.request_id,
            prompt_ids=prompt.ids if isinstance(prompt, ImagePrompt) else prompt,
            max_tokens=self._max_tokens(len(prompt), sampling.max_tokens),
            stop_ids=(
                constraint.stop_ids(sampling, self._tokenizer.eos_ids)
                if sampling.ignore_eos or sampling.stop_token_ids
                else self._tokenizer.eos_ids
            ),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=sampling.seed,
            presence_penalty=sampling.presence_penalty,
            frequency_penalty=sampling.frequency_penalty,
            logprobs=sampling.logprobs,
            tenant=request.caller.tenant,
            interval_s=interval_s,
            on_left=partial(tracker.on_left, 0),
            min_p=sampling.min_p,
            repetition_penalty=sampling.repetition_penalty,
            logit_bias=sampling.logit_bias,
            grammar=constraint.grammar,
            prompt_logprobs=request.echo and sampling.logprobs is not None,
            on_tokens=on_tokens,
            image_prompt=prompt if isinstance(prompt, ImagePrompt) else None,
        )
        if request.n == 1:
            return [first]
        return [
            replace(
                first,
                request_id=f"{request.request_id}/{i}",
                seed=None if sampling.seed is None else sampling.seed + i,
                on_left=partial(tracker.on_left, i),
            )
            for i in range(request.n)
        ]

    def _decoders(
        self, request: GenerateRequest, prompt: EncodedPrompt, constraint: Constraint
    ) -> list[ChoiceDecoder]:
        """A decoder for each choice. No stop string cuts a forced call: its grammar ends it."""
        tokenizer, tools = self._tokenizer, constraint.tools
        ids = prompt.ids if isinstance(prompt, ImagePrompt) else prompt
        stops, accepts = request.sampling.stop, constraint.accepts
        if request.echo:
            echo = PromptEcho(request, ids, tokenizer)
            return [EchoingDecoder(echo, tokenizer, stops, accepts) for _ in range(request.n)]
        return [
            ChoiceDecoder(
                tokenizer.detokenizer(keep_marks=tools is not None),
                () if constraint.forced else stops,
                tokenizer.token_bytes,
                accepts,
                None if tools is None else tools.parser(ids, choice),
            )
            for choice in range(request.n)
        ]

    def _max_tokens(self, prompt_tokens: int, requested: int | None) -> int:
        """What the sequence may generate, after a prompt that leaves room for a token or more; at
        least 1.

        Unless what is too much is clamped: raises PromptTooLong, or InvalidRequest above the
        model's maximum.
        """
        limit, maximum = self._limits.context_length, self._limits.max_output_tokens
        room = limit - prompt_tokens
        if requested is None or self._limits.over_limit == "clamp":
            most = min(room, maximum)
            return most if requested is None else max(1, min(requested, most))
        if requested > maximum:
            raise InvalidRequest(
                f"max_tokens is {requested}; the most is {maximum}.", param="max_tokens"
            )
        if requested > room:
            raise PromptTooLong(self._card.id, prompt_tokens, limit, reserved=requested)
        return max(1, requested)

    def _deltas(
        self,
        sequences: Sequence[TokenRequest],
        decoders: Sequence[ChoiceDecoder],
        ticket: QueueTicket,
        tracker: UsageTracker,
    ) -> AsyncGenerator[tuple[int, TextDelta], None]:
        """(choice, delta) of every sequence as they come; each ends with a finish reason."""
        choices = [
            self._decode(index, sequence, decoders, ticket, tracker)
            for index, sequence in enumerate(sequences)
        ]
        return choices[0] if len(choices) == 1 else merge(choices)

    async def _decode(
        self,
        index: int,
        sequence: TokenRequest,
        decoders: Sequence[ChoiceDecoder],
        ticket: QueueTicket,
        tracker: UsageTracker,
    ) -> AsyncGenerator[tuple[int, TextDelta], None]:
        """The deltas of one sequence, from its slot in the queue on."""
        decoder = decoders[index]
        await ticket.acquire_slot()
        tracker.begin(index, len(sequence.prompt_ids), decoders)
        try:
            async with aclosing(self.engine.generate(sequence)) as batches:
                async for tokens in batches:
                    ticket.charge_output_tokens(len(tokens.ids))
                    cached = 0 if index else tokens.cached  # later choices find the first one's
                    tracker.cached_tokens = max(tracker.cached_tokens, cached)
                    delta: TextDelta | None = decoder.add(tokens)
                    while delta is not None and delta.finish_reason is None:
                        yield index, delta
                        if decoder.pending:
                            await asyncio.sleep(0)
                        delta = decoder.take()
                    if delta is not None:
                        break
                else:
                    raise model_failed(self._card.id, "the engine ended without a reason")
                tracker.end(index)
        except Exception:
            tracker.end(index)
            raise
        except BaseException:  # the reader has left; the engine reports to the tracker what it had
            decoder.count()
            if decoder.ended:
                tracker.end(index)
            raise
        ticket.finish_choice()
        yield index, delta


class _LocalModelCall:
    """One call of a model in this process; implements `ModelCall`."""

    def __init__(self, model: TextModel, request: GenerateRequest) -> None:
        self._model = model
        self._request = replace(request, call=request.call or uuid.uuid4().hex)

    async def generate(self) -> Completion:
        return await self._model.generate(self._request)

    def stream(self, relay: TextRelay | None = None) -> AsyncGenerator[Chunk, None]:
        return self._model.stream(self._request, relay)

    def settlement(self) -> Awaitable[TokenUsage] | None:
        return self._model.settle(self._request.call)


async def _within(
    timeout: SharedTimeout, work: Awaitable[T], request: GenerateRequest, ticket: QueueTicket
) -> T:
    """The result of `work`. Raises DeadlineExceeded where it comes after the deadline, `timeout`.

    The deadline covers the waits for a slot and for the model, never the time of a consumer.
    """
    try:
        with timeout:
            return await work
    except TimeoutError as error:
        raise _too_late(request, ticket) from error


def _too_late(request: GenerateRequest, ticket: QueueTicket) -> DeadlineExceeded:
    stage = "model" if ticket.granted else "queue"
    return DeadlineExceeded(stage, round(request.timeout_s, 3))
