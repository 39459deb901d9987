"""`completions`: OpenAI plain completions over the request path."""

from contextlib import aclosing
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.generation import (
    GenerateRequest,
    TokenLogprob,
    TokenUsage,
)
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.chat import usage_body
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.schemas.openai import CompletionRequest
from deployments.ingress.schemas.structured_output import FORMAT_FIELDS

DEFAULT_MAX_TOKENS = 16  # as in OpenAI's API; a chat has no default


class Completions:
    """Body: CompletionRequest. Answer and events: `text_completion` objects."""

    schema = CompletionRequest
    request_class = RequestClass.GENERATE
    scope = Scope.GENERATE
    can_stream = True

    def __init__(self, pipeline: ModelPipeline) -> None:
        self._pipeline = pipeline

    async def answer(self, request: AdmittedRequest, body: CompletionRequest) -> dict[str, Any]:
        completion = await self._pipeline.generate(_generate_request(request, body), request)
        choices = [
            _choice(c.index, c.text, c.finish_reason, c.logprobs) for c in completion.choices
        ]
        return {
            **_shared(request, body, completion.model),
            "choices": choices,
            "usage": usage_body(completion.usage),
        }

    async def events(self, request: AdmittedRequest, body: CompletionRequest) -> Events:
        shared = _shared(request, body)
        if body.include_usage:
            shared["usage"] = None
        usage = TokenUsage()
        stream = self._pipeline.stream(_generate_request(request, body), request)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                usage = chunk.usage or usage
                if chunk.model:
                    shared["model"] = chunk.model
                choice = _choice(chunk.index, chunk.text, chunk.finish_reason, chunk.logprobs)
                yield None, shared | {"choices": [choice]}
        if body.include_usage:
            yield None, shared | {"choices": [], "usage": usage_body(usage)}


def _generate_request(request: AdmittedRequest, body: CompletionRequest) -> GenerateRequest:
    body.refuse_unsupported()
    max_tokens = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
    return GenerateRequest(
        request_id=request.request_id,
        caller=request.caller,
        model=body.model,
        sampling=body.sampling(max_tokens, body.logprobs),
        prompt=body.text,
        n=body.n or 1,
        timeout_s=request.timeout_s("ingress"),
        priority=request.priority,
        output_format=(
            None if FORMAT_FIELDS.isdisjoint(body.model_fields_set) else body.output_format()
        ),
    )


def _shared(request: AdmittedRequest, body: CompletionRequest, model: str = "") -> dict[str, Any]:
    return {
        "id": f"cmpl-{request.request_id}",
        "object": "text_completion",
        "created": request.created,
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
