"""OpenAI's answers as completions and chunks.

In: a body, or the events of a stream. Out: a Completion, or Chunks as `Chunk` orders them. An
upstream that answers fewer choices, no finish or more text than the request allows gives a Problem.
"""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

from cluster.runtime.problems import Problem
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
)
from deployments.providers.errors import reported_problem, unreadable
from deployments.providers.openai.answers import (
    AnswerPart,
    ChoicePart,
    MessagePart,
    ToolCallPart,
    UnreadableAnswer,
    arguments_text,
    content_text,
    describe_error,
    finish_reason,
    parse_answer,
    parse_usage,
    reasoning_text,
    stop_text,
    token_logprobs,
)
from deployments.providers.usage import (
    checked_usage,
    estimated_tokens,
    estimated_usage,
    most_text,
    prompt_bytes,
)

DONE = b"[DONE]"
_NOTHING = MessagePart()
_read_more = attrgetter("tool_calls", "refusal", "reasoning_content", "reasoning")
_NOTHING_MORE = _read_more(_NOTHING)
_MAX_CALLS = 256  # tool calls of a choice


def decode_completion(
    model: str, request: GenerateRequest, output_limit: int, body: bytes
) -> Completion:
    """Raises UpstreamFailed for what cannot be read, and what an error in the body means."""
    try:
        answer = parse_answer(body)
        if answer.error:
            raise reported_problem(model, describe_error(answer.error))
        choices = [_choice(part) for part in answer.choices or ()]
    except UnreadableAnswer:
        raise unreadable(model, "answered what cannot be read") from None
    if len(choices) > 1:
        choices.sort(key=_index)
    if [choice.index for choice in choices] != [*range(request.n)]:
        raise unreadable(model, "answered other choices than were asked for")
    size = sum([_size(choice) for choice in choices])
    if size > most_text(output_limit, request.n):
        raise unreadable(model, "sent more text than max_tokens allows")
    usage = _usage(request, answer, output_limit, size)
    return Completion(tuple(choices), usage)


def _index(choice: Choice) -> int:
    return choice.index


def _choice(part: ChoicePart) -> Choice:
    message = part.message or _NOTHING
    if _read_more(message) == _NOTHING_MORE and part.logprobs is None:  # nothing but a text
        content = message.content
        if type(content) is str:
            reason = finish_reason(part.finish_reason, has_calls=False)
            return Choice(part.index, content, reason, stop=stop_text(part.stop_reason))
    calls = tuple([_call(number, call) for number, call in enumerate(message.tool_calls or ())])
    return Choice(
        index=part.index,
        text=part.text if part.message is None and part.text else content_text(message.content),
        finish_reason=finish_reason(part.finish_reason, has_calls=bool(calls)),
        logprobs=token_logprobs(part.logprobs),
        tool_calls=calls,
        stop=stop_text(part.stop_reason),
        refusal=message.refusal or "",
        reasoning=reasoning_text(message),
    )


def _call(number: int, part: ToolCallPart) -> ToolCall:
    function = part.function
    if function is None or not function.name:
        raise UnreadableAnswer
    return ToolCall(part.id or f"call_{number}", function.name, arguments_text(function.arguments))


def _size(choice: Choice) -> int:
    if not (choice.refusal or choice.reasoning or choice.tool_calls):
        text = choice.text
        return len(text) if text.isascii() else len(text.encode(errors="replace"))
    texts = [choice.text, choice.refusal, choice.reasoning]
    texts += [text for call in choice.tool_calls for text in (call.name, call.arguments)]
    return sum([len(text.encode(errors="replace")) for text in texts])


def _usage(
    request: GenerateRequest, answer: AnswerPart, output_limit: int, size: int
) -> TokenUsage:
    usage = parse_usage(answer.usage)
    if usage is None:
        return estimated_usage(request, size, output_limit)
    return checked_usage(request, usage, output_limit, size)


class OpenAIStreamDecoder:
    """Implements `StreamDecoder` (wire.py). The last finish waits for the usage, which comes in an
    event of its own."""

    def __init__(self, model: str, request: GenerateRequest, output_limit: int) -> None:
        self.ended = False
        self._model = model
        self._request = request
        self._output_limit = output_limit
        self._most_bytes = most_text(output_limit, request.n)
        self._bytes = 0
        self._finished: set[int] = set()
        self._has_calls: set[int] = set()
        self._named: set[tuple[int, int]] = set()  # calls whose id and name were given
        self._usage: TokenUsage | None = None
        self._held: Chunk | None = None
        self._begun = False

    def feed(self, event: str, data: bytes) -> Sequence[Chunk]:
        if self.ended:
            return ()
        if data == DONE:
            self.ended = True
            return ()
        try:
            answer = parse_answer(data)
            if answer.error or event == "error":
                raise self._reported(answer)
            usage = parse_usage(answer.usage)
            if usage is not None:
                self._usage = usage
            if not answer.choices:
                return ()
            return [chunk for part in answer.choices for chunk in self._chunks(part)]
        except UnreadableAnswer:
            raise unreadable(self._model, "sent an event that cannot be read") from None

    def finish(self) -> Sequence[Chunk]:
        request = self._request
        if len(self._finished) < request.n:
            raise unreadable(self._model, "cut its answer off")
        held, self._held, self.ended = self._held, None, True
        if held is None:
            return ()
        if self._usage is None:
            usage = estimated_usage(request, self._bytes, self._output_limit)
        else:
            usage = checked_usage(request, self._usage, self._output_limit, self._bytes)
        return (replace(held, usage=usage),)

    def _reported(self, answer: AnswerPart) -> Problem:
        return reported_problem(self._model, describe_error(answer.error))

    def _chunks(self, part: ChoicePart) -> Sequence[Chunk]:
        index = part.index
        if not 0 <= index < self._request.n:
            raise UnreadableAnswer
        if index in self._finished:
            return ()
        chunk = self._chunk(part)
        if part.finish_reason is None:
            return () if chunk is None else (chunk,)
        self._finished.add(index)
        reason = finish_reason(part.finish_reason, has_calls=index in self._has_calls)
        last = replace(
            chunk or Chunk(index, ""), finish_reason=reason, stop=stop_text(part.stop_reason)
        )
        if len(self._finished) < self._request.n:
            return (last,)
        self._held = last
        return ()

    def _chunk(self, part: ChoicePart) -> Chunk | None:
        """None where nothing is in it, as in the first event, which has a role only."""
        delta = part.delta or _NOTHING
        text = part.text or content_text(delta.content)
        calls = tuple([self._call(part.index, call) for call in delta.tool_calls or ()])
        refusal, reasoning = delta.refusal or "", reasoning_text(delta)
        logprobs = token_logprobs(part.logprobs)
        if not (text or calls or refusal or reasoning or logprobs):
            return None
        size = len(text.encode(errors="replace")) if text else 0
        for more in (refusal, reasoning, *[call.arguments + call.name for call in calls]):
            if more:
                size += len(more.encode(errors="replace"))
        self._bytes += size
        if self._bytes > self._most_bytes:
            raise unreadable(self._model, "sent more text than max_tokens allows")
        prompt_tokens = 0
        if not self._begun:
            self._begun, prompt_tokens = True, estimated_tokens(prompt_bytes(self._request))
        return Chunk(
            part.index,
            text,
            logprobs=logprobs,
            tokens=estimated_tokens(size),
            prompt_tokens=prompt_tokens,
            tool_calls=calls,
            refusal=refusal,
            reasoning=reasoning,
        )

    def _call(self, index: int, part: ToolCallPart) -> ToolCallDelta:
        self._has_calls.add(index)
        number = 0 if part.index is None else part.index
        if not 0 <= number < _MAX_CALLS:
            raise UnreadableAnswer
        name = "" if part.function is None else part.function.name or ""
        arguments = "" if part.function is None else arguments_text(part.function.arguments)
        if (index, number) in self._named:  # some servers repeat them with each piece
            return ToolCallDelta(number, arguments=arguments)
        if not name:
            raise UnreadableAnswer
        self._named.add((index, number))
        return ToolCallDelta(number, part.id or f"call_{number}", name, arguments)
