"""`chat`: OpenAI chat completions over the request path."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    Message,
    TokenLogprob,
    TokenUsage,
    ToolCallDelta,
)
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.prompt_templates import PromptTemplates
from deployments.ingress.pipeline.image_inputs import with_image_sources
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.pipeline.response_relay import TEXT_MARK, ResponseRelay
from deployments.ingress.schemas.chat_messages import ROLES
from deployments.ingress.schemas.openai import ChatRequest
from deployments.ingress.schemas.structured_output import FORMAT_FIELDS
from deployments.ingress.schemas.tools import check_tool_results, tool_settings
from deployments.ingress.translation.logprobs import token_logprobs

_TEXT_TURN = {"role", "content"}  # the fields of most turns, which need no further look


class Chat:
    """Body: ChatRequest. Answer: a `chat.completion`; events: `chat.completion.chunk`s."""

    schema = ChatRequest
    request_class = RequestClass.GENERATE
    scope = Scope.GENERATE
    can_stream = True

    def __init__(self, pipeline: ModelPipeline, templates: PromptTemplates) -> None:
        self._pipeline = pipeline
        self._templates = templates

    async def answer(self, request: AdmittedRequest, body: ChatRequest) -> dict[str, Any]:
        if body.template is not None:
            body = await self._templates.chat(request, body, body.template)
        completion = await self._pipeline.generate(generate_request(request, body), request)
        return {
            "id": f"chatcmpl-{request.request_id}",
            "object": "chat.completion",
            "created": request.created,
            "model": completion.model or body.model,
            "choices": [
                {
                    "index": choice.index,
                    "message": (
                        _whole_message(choice)
                        if choice.tool_calls or choice.refusal or choice.reasoning
                        else {"role": "assistant", "content": choice.text, "refusal": None}
                    ),
                    "logprobs": None if choice.logprobs is None else _logprobs(choice.logprobs),
                    "finish_reason": choice.finish_reason,
                }
                for choice in completion.choices
            ],
            "usage": usage_body(completion.usage),
        }

    async def events(self, request: AdmittedRequest, body: ChatRequest) -> Events:
        """The first chunk of each choice carries the role; a last one the usage, if asked for."""
        if body.template is not None:
            body = await self._templates.chat(request, body, body.template)
        shared = {
            "id": f"chatcmpl-{request.request_id}",
            "object": "chat.completion.chunk",
            "created": request.created,
            "model": body.model,
        }
        if body.include_usage:
            shared["usage"] = None
        begun: set[int] = set()
        usage, relay = TokenUsage(), request.relay
        async with aclosing(self.chunks(request, body, relay)) as chunks:
            async for chunk in chunks:
                usage = chunk.usage or usage
                if chunk.model:
                    shared["model"] = chunk.model
                if relay is not None:
                    _guide(relay, chunk, shared)
                yield None, shared | {"choices": [_delta(chunk, first=chunk.index not in begun)]}
                begun.add(chunk.index)
        if body.include_usage:
            yield None, shared | {"choices": [], "usage": usage_body(usage)}

    async def complete(self, request: AdmittedRequest, body: ChatRequest) -> Completion:
        """The completion before it is rendered, for other renderings of a chat."""
        return await self._pipeline.generate(generate_request(request, body), request)

    def chunks(
        self, request: AdmittedRequest, body: ChatRequest, relay: ResponseRelay | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """The same in chunks, and pieces of text for `relay`."""
        generate = generate_request(request, body)
        if relay is None:
            return self._pipeline.stream(generate, request)
        return self._pipeline.stream(generate, request, relay)


def generate_request(request: AdmittedRequest, body: ChatRequest) -> GenerateRequest:
    """What the model is asked for. Raises InvalidRequest, naming a field of the body."""
    body.refuse_unsupported()
    if body.top_logprobs and not body.logprobs:
        raise UnsupportedParameter("top_logprobs", "it goes with logprobs=true.")
    newer = body.max_completion_tokens
    if newer == 0 or (newer is None and body.max_tokens == 0):
        name = "max_tokens" if newer is None else "max_completion_tokens"
        raise InvalidRequest(f"{name} is 0; the least is 1.", param=name)
    tools = None
    if body.tools is not None or body.tool_choice is not None:
        tools = tool_settings(body.tools, body.tool_choice, parallel=body.parallel_tool_calls)
    generate = GenerateRequest(
        request_id=request.request_id,
        caller=request.caller,
        model=body.model,
        sampling=body.sampling(
            body.max_tokens if newer is None else newer,
            (body.top_logprobs or 0) if body.logprobs else None,
        ),
        messages=tuple(
            [
                Message(ROLES[each.role], each.content)
                if type(each.content) is str
                and each.model_fields_set == _TEXT_TURN
                and each.role != "tool"
                else each.to_message(index)
                for index, each in enumerate(body.messages)
            ]
        ),
        n=body.n or 1,
        timeout_s=request.timeout_s("ingress"),
        priority=request.priority,
        tool_settings=tools,
        output_format=(
            None if FORMAT_FIELDS.isdisjoint(body.model_fields_set) else body.output_format()
        ),
    )
    for message in generate.messages:
        if message.images:
            generate = with_image_sources(generate, body.messages)
            break
    if "tool" in [message.role for message in generate.messages]:
        check_tool_results(generate.messages)
    return generate


def _guide(relay: ResponseRelay, chunk: Chunk, shared: dict[str, Any]) -> None:
    """What a relay has to know of a stream: the form of its events, and its end."""
    if not relay.knows(chunk.index):
        piece = _delta(Chunk(chunk.index, TEXT_MARK), first=False)
        relay.add_form(chunk.index, shared | {"choices": [piece]})
    # A provider may wait between its last chunk and its end; replicas do not.
    relay.is_ending = chunk.usage is not None and relay.pieces > 0


def _whole_message(choice: Choice) -> dict[str, Any]:
    """With tool calls, a refusal or reasoning; `reasoning_content` is vLLM's name of that."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text or None,
        "refusal": choice.refusal or None,
    }
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in choice.tool_calls
        ]
    return message


def _delta(chunk: Chunk, *, first: bool) -> dict[str, Any]:
    delta: dict[str, Any] = {"role": "assistant"} if first else {}
    if chunk.tool_calls:
        delta["tool_calls"] = list(map(_call_delta, chunk.tool_calls))
        if first or chunk.text:
            delta["content"] = chunk.text or None
    elif chunk.text or first:
        delta["content"] = chunk.text
    if chunk.refusal:
        delta["refusal"] = chunk.refusal
    if chunk.reasoning:
        delta["reasoning_content"] = chunk.reasoning
    return {
        "index": chunk.index,
        "delta": delta,
        "logprobs": None if chunk.logprobs is None else _logprobs(chunk.logprobs),
        "finish_reason": chunk.finish_reason,
    }


def _call_delta(call: ToolCallDelta) -> dict[str, Any]:
    if not call.id:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": call.index, "id": call.id, "type": "function", "function": function}


def _logprobs(tokens: tuple[TokenLogprob, ...]) -> dict[str, Any]:
    return {"content": token_logprobs(tokens), "refusal": None}


def usage_body(usage: TokenUsage) -> dict[str, Any]:
    """Token counts under OpenAI's names; `estimated` where the provider did not report them."""
    body: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }
    if usage.reasoning_tokens:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.is_estimated:
        body["estimated"] = True
    return body
