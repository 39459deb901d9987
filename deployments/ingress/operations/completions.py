"""`completions`: OpenAI plain completions over the request path.

Each prompt of a list is one model call; choice c of prompt p has the index p * n + c.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from cluster.runtime.merge import merge
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    TokenLogprob,
    TokenUsage,
)
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.chat import usage_body
from deployments.ingress.operations.prompt_templates import PromptTemplates
from deployments.ingress.operations.text_offsets import TextOffsets
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.schemas.openai import CompletionRequest
from deployments.ingress.schemas.structured_output import FORMAT_FIELDS

DEFAULT_MAX_TOKENS = 16  # as in OpenAI's API; a chat has no default
CONCURRENT_PROMPTS = 8  # of one request

Prompt = str | tuple[int, ...]


class Completions:
    """Body: CompletionRequest. Answer and events: `text_completion` objects."""

    schema = CompletionRequest
    request_class = RequestClass.GENERATE
    scope = Scope.GENERATE
    can_stream = True

    def __init__(self, pipeline: ModelPipeline, templates: PromptTemplates) -> None:
        self._pipeline = pipeline
        self._templates = templates

    async def answer(self, request: AdmittedRequest, body: CompletionRequest) -> dict[str, Any]:
        if body.template is not None:
            body = await self._templates.completion(request, body, body.template)
        body.refuse_unsupported()
        completions = await self._complete(request, body, body.prompts())
        n = body.n or 1
        choices = [
            _choice(
                prompt * n + choice.index,
                choice.text,
                choice.finish_reason,
                choice.logprobs,
                TextOffsets(),
            )
            for prompt, completion in enumerate(completions)
            for choice in completion.choices
        ]
        usage = sum((completion.usage for completion in completions), TokenUsage())
        return {
            **_shared(request, body, completions[0].model),
            "choices": choices,
            "usage": usage_body(usage),
        }

    async def events(self, request: AdmittedRequest, body: CompletionRequest) -> Events:
        if body.template is not None:
            body = await self._templates.completion(request, body, body.template)
        body.refuse_unsupported()
        shared = _shared(request, body)
        if body.include_usage:
            shared["usage"] = None
        usage = TokenUsage()
        offsets: dict[int, TextOffsets] = {}
        async with aclosing(self._chunks(request, body, body.prompts())) as chunks:
            async for chunk in chunks:
                usage += chunk.usage or TokenUsage()
                if chunk.model:
                    shared["model"] = chunk.model
                known = offsets.setdefault(chunk.index, TextOffsets())
                choice = _choice(
                    chunk.index, chunk.text, chunk.finish_reason, chunk.logprobs, known
                )
                yield None, shared | {"choices": [choice]}
        if body.include_usage:
            yield None, shared | {"choices": [], "usage": usage_body(usage)}

    async def _complete(
        self, request: AdmittedRequest, body: CompletionRequest, prompts: list[Prompt]
    ) -> list[Completion]:
        """One for each prompt. Raises what the first call that fails raises."""
        if len(prompts) == 1:
            return [await self._pipeline.generate(_one(request, body, prompts[0]), request)]
        slots = asyncio.Semaphore(CONCURRENT_PROMPTS)

        async def complete(index: int, prompt: Prompt) -> Completion:
            async with slots:
                return await self._pipeline.generate(_one(request, body, prompt, index), request)

        tasks = [asyncio.create_task(complete(*entry)) for entry in enumerate(prompts)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _chunks(
        self, request: AdmittedRequest, body: CompletionRequest, prompts: list[Prompt]
    ) -> AsyncGenerator[Chunk, None]:
        """The chunks of all prompts as they come, each with the index of its choice."""
        if len(prompts) == 1:
            return self._pipeline.stream(_one(request, body, prompts[0]), request)
        slots, n = asyncio.Semaphore(CONCURRENT_PROMPTS), body.n or 1

        async def stream(index: int, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
            async with (
                slots,
                aclosing(
                    self._pipeline.stream(_one(request, body, prompt, index), request)
                ) as chunks,
            ):
                async for chunk in chunks:
                    yield replace(chunk, index=index * n + chunk.index)

        return merge([stream(*entry) for entry in enumerate(prompts)])


def _one(
    request: AdmittedRequest, body: CompletionRequest, prompt: Prompt, index: int | None = None
) -> GenerateRequest:
    """The model call of one prompt; `index` is its place in a list."""
    text, ids = (prompt, ()) if isinstance(prompt, str) else (None, prompt)
    return GenerateRequest(
        request_id=request.request_id if index is None else f"{request.request_id}/{index}",
        caller=request.caller,
        model=body.model,
        sampling=body.sampling(body.output_limit(DEFAULT_MAX_TOKENS), body.logprobs),
        prompt=text,
        n=body.n or 1,
        timeout_s=request.timeout_s("ingress"),
        priority=request.priority,
        output_format=(
            None if FORMAT_FIELDS.isdisjoint(body.model_fields_set) else body.output_format()
        ),
        prompt_ids=ids,
        echo=bool(body.echo),
    )


def _shared(request: AdmittedRequest, body: CompletionRequest, model: str = "") -> dict[str, Any]:
    return {
        "id": f"cmpl-{request.request_id}",
        "object": "text_completion",
        "created": request.created,
        "model": model or body.model,
    }


def _choice(
    index: int,
    text: str,
    finish_reason: str | None,
    logprobs: tuple[TokenLogprob, ...] | None,
    offsets: TextOffsets,
) -> dict[str, Any]:
    """`offsets` are those of the choice, up to this text."""
    return {
        "index": index,
        "text": text,
        "logprobs": None if logprobs is None else _logprobs(text, logprobs, offsets),
        "finish_reason": finish_reason,
    }


def _logprobs(text: str, tokens: tuple[TokenLogprob, ...], offsets: TextOffsets) -> dict[str, Any]:
    """The older, columnar form that this endpoint uses."""
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": list(_alternatives(tokens)),
        "text_offset": offsets.add(text, [token.raw for token in tokens]),
    }


def _alternatives(tokens: tuple[TokenLogprob, ...]) -> Iterator[dict[str, float | None] | None]:
    """Of each token; None for the first one of a prompt. The token itself is among them."""
    for token in tokens:
        if token.logprob is None:
            yield None
        else:
            yield {text: logprob for text, _, logprob in token.top}
