"""Runs the examples of a template: each is an ordinary model call, admitted and recorded.

In: a version, examples, a model, the request that asks. Out: for each example what the model
answered, and which expectations that does not meet. An example that is refused (by a limit, by the
model) is an error of its own.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.runtime.problems import InvalidRequest, Problem
from cluster.templates.document import CompiledTemplate, RenderedTemplate
from cluster.templates.examples import TemplateExample, failures
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.context import AdmittedRequest, RequestContext
from deployments.ingress.http.problems import native_body
from deployments.ingress.operations.chat import Chat
from deployments.ingress.operations.completions import Completions
from deployments.ingress.operations.prompt_templates import (
    PromptTemplates,
    with_messages,
    with_prompt,
)
from deployments.ingress.schemas.openai import TemplatedChatRequest, TemplatedCompletionRequest
from deployments.ingress.services import AppServices

CONCURRENT_EXAMPLES = 4
ACTION = "template.example"  # in the audit trail


@dataclass(frozen=True, slots=True)
class TestedVersion:
    """`model` is the one that answers."""

    template: str
    number: int
    compiled: CompiledTemplate
    model: str


class TemplateTester:
    """Calls models by the operations that serve requests."""

    def __init__(self, services: AppServices) -> None:
        self._admission = services.admission
        templates = PromptTemplates(services.templates)
        self._chat = Chat(services.model_pipeline, templates)
        self._completions = Completions(services.model_pipeline, templates)

    async def run(
        self, asking: RequestContext, version: TestedVersion, examples: Sequence[TemplateExample]
    ) -> list[dict[str, Any]]:
        """One result for each example, in their order."""
        slots = asyncio.Semaphore(CONCURRENT_EXAMPLES)

        async def try_out(index: int, example: TemplateExample) -> dict[str, Any]:
            result: dict[str, Any] = {"index": index, "name": example.name}
            async with slots:
                try:
                    return result | await self._try(asking, version, index, example)
                except Problem as problem:
                    error = native_body(problem, asking.request_id)
                    return result | {"status": "error", "error": error}

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(try_out(*entry)) for entry in enumerate(examples)]
        return [task.result() for task in tasks]

    async def _try(
        self, asking: RequestContext, version: TestedVersion, index: int, example: TemplateExample
    ) -> dict[str, Any]:
        rendered = version.compiled.render(
            version.template, version.number, example.variables, f"examples.{index}.variables"
        )
        priority = asking.plan.default_priorities[RequestClass.GENERATE]
        context = asking.part(f"{asking.request_id}-{index}", priority)
        resource = f"template:{rendered.reference}"
        async with self._admission.admitted(
            context, RequestClass.GENERATE, ACTION, resource, Scope.GENERATE
        ) as admitted:
            answer = await self._answer(admitted, version.model, rendered, index, example)
        [choice] = answer["choices"]
        output = choice["text"] if "text" in choice else choice["message"]["content"] or ""
        tokens = answer["usage"]["completion_tokens"]
        found = await asyncio.to_thread(failures, example.expect, output, tokens)
        status = "failed" if found else "passed"
        return {"status": status, "failures": found, "output": output, "usage": answer["usage"]}

    async def _answer(
        self,
        admitted: AdmittedRequest,
        model: str,
        rendered: RenderedTemplate,
        index: int,
        example: TemplateExample,
    ) -> Mapping[str, Any]:
        """Messages are a chat, a text is a prompt; with temperature 0 unless the template says."""
        body: dict[str, Any] = {"model": model}
        if rendered.defaults.temperature is None:
            body["temperature"] = 0.0
        if rendered.messages is None:
            if example.input is not None:
                param = f"examples.{index}.input"
                raise InvalidRequest(f"{param}: goes with a template of messages.", param=param)
            prompt = TemplatedCompletionRequest.model_validate(body)
            return await self._completions.answer(admitted, with_prompt(prompt, rendered))
        if example.input is not None:
            body["messages"] = [{"role": "user", "content": example.input}]
        chat = TemplatedChatRequest.model_validate(body)
        return await self._chat.answer(admitted, with_messages(chat, rendered))
