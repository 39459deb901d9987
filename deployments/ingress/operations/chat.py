"""`chat`: OpenAI chat completions over the request path."""

from contextlib import aclosing
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.generation import (
    Choice,
    Chunk,
    GenerateRequest,
    TextGenerator,
    TokenLogprob,
    TokenUsage,
)
from deployments.ingress.context import RequestContext
from deployments.ingress.http.streaming import Events
from deployments.ingress.schemas.openai import ChatRequest


class Chat:
    """Body: ChatRequest. Answer: a `chat.completion`; events: `chat.completion.chunk`s."""

    schema = ChatRequest
    request_class = RequestClass.GENERATE

    def __init__(self, path: TextGenerator) -> None:
        self._path = path

    def streams(self, body: ChatRequest) -> bool:
        return bool(body.stream)

    async def answer(self, call: RequestContext, body: ChatRequest) -> dict[str, Any]:
        completion = await self._path.generate(_request(call, body))
        return {
            "id": _id(call),
            "object": "chat.completion",
            "created": call.created,
            "model": completion.model or body.model,
            "choices": [_choice(choice) for choice in completion.choices],
            "usage": usage_body(completion.usage),
        }

    async def events(self, call: RequestContext, body: ChatRequest) -> Events:
        """The first chunk of each choice carries the role; a last one the usage, if asked for."""
        shared = {
            "id": _id(call),
            "object": "chat.completion.chunk",
            "created": call.created,
            "model": body.model,
        }
        if body.include_usage:
            shared["usage"] = None
        begun: set[int] = set()
        usage = TokenUsage()
        async with aclosing(self._path.stream(_request(call, body))) as chunks:
            async for chunk in chunks:
                usage = chunk.usage or usage
                if chunk.model:
                    shared["model"] = chunk.model
                yield None, shared | {"choices": [_delta(chunk, first=chunk.index not in begun)]}
                begun.add(chunk.index)
        if body.include_usage:
            yield None, shared | {"choices": [], "usage": usage_body(usage)}


def _request(call: RequestContext, body: ChatRequest) -> GenerateRequest:
    call.require(Scope.GENERATE)
    body.refuse_unsupported()
    return GenerateRequest(
        request_id=call.request_id,
        caller=call.caller,
        model=body.model,
        sampling=body.sampling(),
        messages=tuple(message.message() for message in body.messages),
        n=body.choices,
        timeout_s=call.timeout_s("ingress"),
        priority=call.priority,
    )


def _id(call: RequestContext) -> str:
    return f"chatcmpl-{call.request_id}"


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "index": choice.index,
        "message": {"role": "assistant", "content": choice.text, "refusal": None},
        "logprobs": _logprobs(choice.logprobs),
        "finish_reason": choice.finish_reason,
    }


def _delta(chunk: Chunk, *, first: bool) -> dict[str, Any]:
    delta: dict[str, Any] = {"role": "assistant"} if first else {}
    if chunk.text or first:
        delta["content"] = chunk.text
    return {
        "index": chunk.index,
        "delta": delta,
        "logprobs": _logprobs(chunk.logprobs),
        "finish_reason": chunk.finish_reason,
    }


def _logprobs(tokens: tuple[TokenLogprob, ...] | None) -> dict[str, Any] | None:
    if tokens is None:
        return None
    return {
        "content": [
            {
                **_token(token.token, token.raw, token.logprob),
                "top_logprobs": [_token(*alternative) for alternative in token.top],
            }
            for token in tokens
        ],
        "refusal": None,
    }


def _token(text: str, raw: bytes, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(raw)}


def usage_body(usage: TokenUsage) -> dict[str, int]:
    """Token counts under OpenAI's names."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
