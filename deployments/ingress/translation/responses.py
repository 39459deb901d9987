"""OpenAI's Responses API over the chat operation, as pure functions.

In: a request and the items before it; a completion. Out: the chat request that it is; the response
object. The events of a stream are in response_stream.py.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cluster.runtime.problems import InvalidRequest, Problem
from deployments.contracts.generation import Choice, Completion, TokenUsage
from deployments.ingress.schemas.openai import ChatRequest, TemplatedChatRequest
from deployments.ingress.schemas.responses import ResponseCreate
from deployments.ingress.translation.file_search import FileSearch, annotations_of, search_item
from deployments.ingress.translation.logprobs import token_logprobs
from deployments.ingress.translation.problems import FieldNames, to_chat
from deployments.ingress.translation.response_items import Item, call_item, chat_messages
from deployments.ingress.translation.response_tools import chat_tools, shown_choice, shown_tool

# Chat's names of fields, and what they are called here.
FIELD_NAMES: FieldNames = (
    (re.compile(r"\bmessages\b(?:(?:\[\d+\]|\.\d+)[\w.\[\]]*)?"), "input"),
    (re.compile(r"\bmax_(completion_)?tokens\b"), "max_output_tokens"),
    (re.compile(r"\bresponse_format\b(\.json_schema)?"), "text.format"),
    (re.compile(r"\btools(\[\d+\]|\.\d+)\.function\b"), r"tools\1"),
    (re.compile(r"\btool_choice\.function\b"), "tool_choice"),
)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What a response says of its request. `number` is the part of its id after the prefix;
    `created` is Unix seconds; `is_stored` is whether it can be retrieved.
    """

    body: ResponseCreate
    number: str
    created: int
    is_stored: bool

    @property
    def id(self) -> str:
        return f"resp_{self.number}"


def chat_request(body: ResponseCreate, items: Sequence[Item], *, stream: bool) -> ChatRequest:
    """The chat that answers `items`, the instructions before them, without a prompt's messages.

    Raises UnsupportedParameter, and InvalidRequest naming a field of the body.
    """
    body.refuse_unsupported()
    messages = chat_messages(items)
    if body.instructions:
        messages.insert(0, {"role": "system", "content": body.instructions})
    tools, choice = chat_tools(body)
    fields = {
        "model": body.model,
        "messages": messages,
        "stream": stream,
        "max_completion_tokens": body.max_output_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "logprobs": body.wants_logprobs,
        "top_logprobs": body.top_logprobs,
        "tools": tools,
        "tool_choice": choice,
        "parallel_tool_calls": body.parallel_tool_calls if tools else None,
        "response_format": _response_format(body),
        "user": body.user,
    }
    schema = ChatRequest if body.prompt is None else TemplatedChatRequest
    given = {name: value for name, value in fields.items() if value is not None}
    return to_chat(given, FIELD_NAMES, schema)


def response_object(
    head: ResponseHead,
    model: str,
    output: Sequence[Item],
    *,
    status: str,
    usage: TokenUsage | None = None,
    completed: float | None = None,
    finish_reason: str = "length",
) -> dict[str, Any]:
    """The `response` of the API. `completed` is Unix seconds; `finish_reason` is that of an
    incomplete one.
    """
    body = head.body
    text = body.text.format if body.text else None
    shown = {"type": "text"} if text is None else text.model_dump(by_alias=True, exclude_none=True)
    if shown["type"] != "json_schema":
        shown.pop("name", None)
    prompt = None if body.prompt is None else body.prompt.model_dump()
    reason = "content_filter" if finish_reason == "content_filter" else "max_output_tokens"
    cut = {"reason": reason} if status == "incomplete" else None
    return {
        "id": head.id,
        "object": "response",
        "created_at": head.created,
        "status": status,
        "background": False,
        "completed_at": None if completed is None else int(completed),
        "error": None,
        "incomplete_details": cut,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": None,
        "metadata": body.metadata or {},
        "model": model,
        "output": list(output),
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "prompt": prompt,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": head.is_stored,
        "temperature": 1.0 if body.temperature is None else body.temperature,
        "text": {"format": shown},
        "tool_choice": shown_choice(body),
        "tools": [shown_tool(tool) for tool in body.tools or ()],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": 1.0 if body.top_p is None else body.top_p,
        "truncation": body.truncation or "disabled",
        "usage": None if usage is None else _usage(usage),
        "user": body.user,
    }


def completed_response(
    head: ResponseHead,
    completion: Completion,
    completed: float,
    search: FileSearch | None = None,
) -> dict[str, Any]:
    """The response to a completion of one choice, for which files were searched."""
    choice = completion.choices[0]
    return response_object(
        head,
        completion.model or head.body.model,
        output_items(head.number, choice, search),
        status=end_status(choice.finish_reason),
        usage=completion.usage,
        completed=completed,
        finish_reason=choice.finish_reason,
    )


def output_items(number: str, choice: Choice, search: FileSearch | None = None) -> list[Item]:
    """The search, a message where there is text or nothing else, then the calls."""
    items: list[Item] = [] if search is None else [search_item(number, search)]
    if choice.text or not choice.tool_calls:
        text, logprobs = choice.text or choice.refusal, token_logprobs(choice.logprobs or ())
        part = text_part(text, logprobs, annotations_of(text, search))
        items.append(message_item(f"msg_{number}_{len(items)}", "completed", [part]))
    for call in choice.tool_calls:
        id = f"fc_{number}_{len(items)}"
        items.append(call_item(id, call.id, call.name, call.arguments))
    items[-1]["status"] = end_status(choice.finish_reason)
    return items


def message_item(id: str, status: str, parts: list[Item]) -> Item:
    return {"id": id, "type": "message", "status": status, "content": parts, "role": "assistant"}


def text_part(
    text: str, logprobs: list[dict[str, Any]], annotations: Sequence[dict[str, Any]] = ()
) -> Item:
    return {
        "type": "output_text",
        "annotations": list(annotations),
        "logprobs": logprobs,
        "text": text,
    }


def end_status(finish_reason: str) -> str:
    """What a finish reason of chat makes of the response and of its items."""
    return "incomplete" if finish_reason in ("length", "content_filter") else "completed"


def failed_response(response: dict[str, Any], problem: Problem) -> dict[str, Any]:
    """A response that was in progress, and failed."""
    codes = {429: "rate_limit_exceeded", 400: "invalid_prompt"}
    error = {"code": codes.get(problem.status, "server_error"), "message": problem.detail}
    return {**response, "status": "failed", "error": error}


def _usage(usage: TokenUsage) -> dict[str, Any]:
    body = {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    return {**body, "estimated": True} if usage.is_estimated else body


def _response_format(body: ResponseCreate) -> dict[str, Any] | None:
    format = body.text.format if body.text else None
    if format is None or format.type == "text":
        return None
    if format.type == "json_object":
        return {"type": "json_object"}
    if format.definition is None:
        param = "text.format.schema"
        raise InvalidRequest(f"{param}: the type json_schema goes with a schema.", param=param)
    schema = format.model_dump(by_alias=True, exclude={"type"}, exclude_none=True)
    return {"type": "json_schema", "json_schema": schema}
