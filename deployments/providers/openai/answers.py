"""The JSON of OpenAI's answers, as far as it is read; unknown fields are ignored.

In: bytes. Out: structs whose fields have the right types, or UnreadableAnswer. Servers differ most
in usage, content and errors, so these are taken as they are and looked at afterwards.
"""

from typing import Any

import msgspec

from deployments.contracts.generation import FinishReason, TokenLogprob, TokenUsage
from deployments.providers.errors import UpstreamError
from deployments.providers.usage import nano_cost

_MAX_TEXT = 1_000
_MAX_CODE = 10**9


class UnreadableAnswer(Exception):
    """It is no JSON, or not of this form."""


class FunctionPart(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class ToolCallPart(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: FunctionPart | None = None


class MessagePart(msgspec.Struct):
    """A message, or a delta of one."""

    content: Any = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[ToolCallPart] | None = None


class TopPart(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class LogprobPart(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopPart] | None = None


class LogprobsPart(msgspec.Struct):
    """Of a chat (`content`), or of a completion of a raw prompt (the others)."""

    content: list[LogprobPart] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class ChoicePart(msgspec.Struct):
    index: int = 0
    message: MessagePart | None = None
    delta: MessagePart | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    logprobs: LogprobsPart | None = None


class AnswerPart(msgspec.Struct):
    """A completion, or one event of a stream."""

    choices: list[ChoicePart] | None = None
    usage: Any = None
    error: Any = None


_ANSWER: msgspec.json.Decoder[AnswerPart] = msgspec.json.Decoder(AnswerPart)


def parse_answer(data: bytes) -> AnswerPart:
    """Raises UnreadableAnswer."""
    try:
        return _ANSWER.decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise UnreadableAnswer from error


def parse_error(body: bytes) -> UpstreamError:
    """The error of a body: OpenAI's object, or what is like it; empty for anything else."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return UpstreamError()
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return UpstreamError()
    return describe_error(value.get("error", value))


def describe_error(error: Any) -> UpstreamError:
    if isinstance(error, str):
        return UpstreamError(message=error[:_MAX_TEXT])
    if not isinstance(error, dict):
        return UpstreamError()
    inner = error.get("innererror")  # Azure
    code = error.get("code")
    if isinstance(inner, dict) and isinstance(inner.get("code"), str):
        code = inner["code"]
    return UpstreamError(
        code=_word(code),
        kind=_word(error.get("type")),
        message=_word(error.get("message") or error.get("detail")),
        param=_word(error.get("param")),
    )


def _word(value: Any) -> str:
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    if isinstance(value, int) and not -_MAX_CODE < value < _MAX_CODE:
        return ""  # Python makes no text of very long numbers
    return str(value)[:_MAX_TEXT] if is_text else ""


def finish_reason(value: str | None, *, has_calls: bool) -> FinishReason:
    """Unknown reasons are ends as any other."""
    if value == "length":
        return "length"
    if value == "content_filter":
        return "content_filter"
    if value in ("tool_calls", "function_call") or (has_calls and value != "stop"):
        return "tool_calls"
    return "stop"


def content_text(content: Any) -> str:
    """The text of a message: a text, or parts of which some are texts."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise UnreadableAnswer
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join([text for text in texts if isinstance(text, str)])


def reasoning_text(part: MessagePart) -> str:
    if part.reasoning_content:
        return part.reasoning_content
    return part.reasoning if isinstance(part.reasoning, str) else ""


def arguments_text(value: Any) -> str:
    """The arguments of a call as a text of JSON; some servers send the object itself."""
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def stop_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def token_logprobs(part: LogprobsPart | None) -> tuple[TokenLogprob, ...] | None:
    if part is None:
        return None
    if part.content is not None:
        return tuple(
            [
                TokenLogprob(
                    each.token,
                    _raw(each.token, each.bytes),
                    each.logprob,
                    tuple(
                        [
                            (top.token, _raw(top.token, top.bytes), top.logprob)
                            for top in each.top_logprobs or ()
                        ]
                    ),
                )
                for each in part.content
            ]
        )
    if part.tokens is None:
        return None
    values, tops = part.token_logprobs or [], part.top_logprobs or []
    return tuple(
        [
            TokenLogprob(
                token,
                token.encode(errors="replace"),
                values[number] if number < len(values) else None,
                _tops(tops[number] if number < len(tops) else None),
            )
            for number, token in enumerate(part.tokens)
        ]
    )


def _tops(top: dict[str, float] | None) -> tuple[tuple[str, bytes, float], ...]:
    items = (top or {}).items()
    return tuple([(text, text.encode(errors="replace"), value) for text, value in items])


def _raw(token: str, numbers: list[int] | None) -> bytes:
    try:
        return token.encode(errors="replace") if numbers is None else bytes(numbers)
    except ValueError:
        raise UnreadableAnswer from None


def parse_usage(value: Any) -> TokenUsage | None:
    """What is reported, unchecked; None where it is no usage. Counts that are no numbers are -1."""
    if not isinstance(value, dict):
        return None
    prompt, completion = _count(value.get("prompt_tokens")), value.get("completion_tokens", 0)
    return TokenUsage(
        prompt,
        _count(completion),
        _detail(value.get("prompt_tokens_details"), "cached_tokens"),
        _detail(value.get("completion_tokens_details"), "reasoning_tokens"),
        cost=nano_cost(value.get("cost")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _detail(details: Any, name: str) -> int:
    if not isinstance(details, dict):
        return 0
    return max(0, _count(details.get(name)))
