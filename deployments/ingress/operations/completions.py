"""`completions`: OpenAI plain completions over the request path."""

from contextlib import aclosing
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.generation import (
    GenerateRequest,
    TextGenerator,
    TokenLogprob,
    TokenUsage,
)
from deployments.ingress.context import RequestContext
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.chat import usage_body
from deployments.ingress.schemas.openai import CompletionRequest


class Completions:
    """Body: CompletionRequest. Answer and events: `text_completion` objects."""

    schema = CompletionRequest
    request_class = RequestClass.GENERATE

    def __init__(self, path: TextGenerator) -> None:
        self._path = path

    def streams(self, body: CompletionRequest) -> bool:
        return bool(body.stream)

    async def answer(self, call: RequestContext, body: CompletionRequest) -> dict[str, Any]:
        completion = await self._path.generate(_request(call, body))
        choices = [
            _choice(c.index, c.text, c.finish_reason, c.logprobs) for c in completion.choices
        ]
        return {
            **_shared(call, body, completion.model),
            "choices": choices,
            "usage": usage_body(completion.usage),
        }

    async def events(self, call: RequestContext, body: CompletionRequest) -> Events:
        shared = _shared(call, body)
        if body.include_usage:
            shared["usage"] = None
        usage = TokenUsage()
        async with aclosing(self._path.stream(_request(call, body))) as chunks:
            async for chunk in chunks:
                usage = chunk.usage or usage
                if chunk.model:
                    shared["model"] = chunk.model
                choice = _choice(chunk.index, chunk.text, chunk.finish_reason, chunk.logprobs)
                yield None, shared | {"choices": [choice]}
        if body.include_usage:
            yield None, shared | {"choices": [], "usage": usage_body(usage)}


def _request(call: RequestContext, body: CompletionRequest) -> GenerateRequest:
    call.require(Scope.GENERATE)
    body.refuse_unsupported()
    return GenerateRequest(
        request_id=call.request_id,
        caller=call.caller,
        model=body.model,
        sampling=body.sampling(),
        prompt=body.text,
        n=body.choices,
        timeout_s=call.timeout_s("ingress"),
        priority=call.priority,
    )


def _shared(call: RequestContext, body: CompletionRequest, model: str = "") -> dict[str, Any]:
    return {
        "id": f"cmpl-{call.request_id}",
        "object": "text_completion",
        "created": call.created,
        "model": model or body.model,
    }


def _choice(
    index: int, text: str, finish_reason: str | None, logprobs: tuple[TokenLogprob, ...] | None
) -> dict[str, Any]:
    return {
        "index": index,
        "text": text,
        "logprobs": _logprobs(logprobs),
        "finish_reason": finish_reason,
    }


def _logprobs(tokens: tuple[TokenLogprob, ...] | None) -> dict[str, Any] | None:
    """The older, columnar form that this endpoint uses."""
    if tokens is None:
        return None
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{text: logprob for text, _, logprob in token.top} for token in tokens],
    }
