"""One request under its guardrails: what of it is checked, and what becomes of findings.

Flows in: the texts of a request and of its response. Flows out: the same, redacted. Findings go to
the figures, the audit trail and the request's response headers; refusals are raised.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cluster.runtime.problems import GuardrailUnavailable, InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import (
    Choice,
    GenerateRequest,
    Message,
    OutputFormat,
    Role,
    ToolSettings,
)
from deployments.contracts.tokenization import DetokenizeRequest
from deployments.guardrails.engine import ActivePolicies, check_text, refused
from deployments.guardrails.figures import GuardrailFigures
from deployments.guardrails.judges import LONG_TEXT, Asker
from deployments.guardrails.spec import Direction
from deployments.guardrails.stream_window import Released, RuleFinding
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.facts import GenerationFacts
from deployments.ingress.pipeline.image_inputs import moved_places

_JSON_FORMATS = frozenset(("json_object", "json_schema"))
RecordFinding = Callable[[AdmittedRequest, RuleFinding, Direction], None]


@dataclass(slots=True)
class GuardedRequest:
    """`raises`: whoever called can only take a problem for a refused output."""

    active: ActivePolicies
    admitted: AdmittedRequest
    figures: GuardrailFigures
    record: RecordFinding
    models: ModelRegistry
    raises: bool = False
    _unbroken: int = 0  # characters that were checked without a pause
    _recorded: set[tuple[RuleFinding, Direction]] = field(default_factory=set)

    @property
    def asker(self) -> Asker:
        return Asker(self.admitted.caller, self.admitted.request_id)

    def note(self, finding: RuleFinding, direction: Direction) -> None:
        """Count it; tell the caller and the trail once."""
        self.figures.record(finding, direction)
        self.admitted.is_repeatable = False
        if (finding, direction) in self._recorded:
            return
        self._recorded.add((finding, direction))
        self.record(self.admitted, finding, direction)
        if finding.action != "refuse":
            flag = f"{finding.policy}/{finding.rule};{finding.action}"
            if flag not in self.admitted.flags:
                self.admitted.flags = (*self.admitted.flags, flag)

    def note_unchecked(self, problem: GuardrailUnavailable, direction: Direction) -> None:
        """A rule could not be asked."""
        policy, rule = problem.extensions["policy"], problem.extensions.get("rule", "")
        self.figures.record_unchecked(policy, rule, direction)

    async def check_input(self, role: Role, text: str, *, is_json: bool = False) -> str:
        """The text, redacted. Raises GuardrailRefused and GuardrailUnavailable."""
        rules = self.active.inputs[role]
        if not rules or not text:
            return text
        self._unbroken += len(text)
        if self._unbroken > LONG_TEXT:  # of many short texts: others have their turn
            self._unbroken = 0
            await asyncio.sleep(0)
        try:
            released = await check_text(rules, text, self.asker, is_json=is_json)
        except GuardrailUnavailable as problem:
            self.note_unchecked(problem, "input")
            raise
        self._note_all(released, "input")
        if released.refusal is not None:
            raise refused(released.refusal, "input")
        return released.text

    async def check_request(self, request: GenerateRequest) -> GenerateRequest:
        """A request as the model may see it. Raises what `check_input` raises, and
        UnsupportedParameter for log probabilities, which would tell the text before its redaction.
        """
        if request.sampling.logprobs is not None and self.active.may_change_output:
            raise UnsupportedParameter(
                "logprobs", "a guardrail redacts or refuses output, and they would tell it."
            )
        if self.active.asks_models:
            self.admitted.is_repeatable = False
        if not self.active.has_input:
            return request
        request = await self._check_prompt(request)
        messages = tuple([await self._check_message(message) for message in request.messages])
        if messages != request.messages:
            request = replace(request, messages=messages)
        if request.tool_settings is not None:
            settings = await self._check_tools(request.tool_settings)
            if settings != request.tool_settings:
                request = replace(request, tool_settings=settings)
        if request.output_format is not None and request.output_format.definition:
            await self._check_format(request.output_format)
        return request

    async def _check_prompt(self, request: GenerateRequest) -> GenerateRequest:
        if request.prompt_ids:
            text = await self.text_of(self._model_of(request), request.prompt_ids)
            if await self.check_input("user", text) != text:
                raise _tokens_redacted("prompt")
        if request.prompt:
            prompt = await self.check_input("user", request.prompt)
            if prompt != request.prompt:
                return replace(request, prompt=prompt)
        return request

    def _model_of(self, request: GenerateRequest) -> str:
        """The model that the request's name stands for. Raises UnknownModel."""
        models, admitted = self.models, self.admitted
        if request.model in models.configured:
            return request.model
        facts = GenerationFacts(admitted, request.caller, request)
        return models.names.resolve(request.model, facts, admitted, models.text_models)

    async def text_of(self, model: str, ids: tuple[int, ...]) -> str:
        """The text of tokens. Raises UnknownModel for a model without a tokenizer."""
        admitted = self.admitted
        tokenizing = self.models.tokenizing(model, admitted.allows_model)
        found = await tokenizing.detokenize(
            DetokenizeRequest(
                request_id=admitted.request_id,
                caller=admitted.caller,
                model=model,
                ids=ids,
                timeout_s=admitted.timeout_s("ingress"),
            )
        )
        return found.text

    async def _check_message(self, message: Message) -> Message:
        role = message.role
        content = await self.check_input(role, message.content)
        name = message.name
        if name and role != "tool":  # a tool's name is one of the request's own
            name = await self.check_input(role, name)
        calls = tuple(
            [
                replace(call, arguments=await self.check_input(role, call.arguments, is_json=True))
                for call in message.tool_calls
            ]
        )
        images = message.images
        if images and content != message.content:
            images = moved_places(message.content, content, images)
        return replace(message, content=content, name=name, tool_calls=calls, images=images)

    async def _check_tools(self, settings: ToolSettings) -> ToolSettings:
        tools = [
            replace(
                tool,
                description=await self.check_input("system", tool.description),
                parameters=await self.check_input("system", tool.parameters, is_json=True),
            )
            for tool in settings.tools
        ]
        return replace(settings, tools=tuple(tools))

    async def _check_format(self, form: OutputFormat) -> None:
        """What the response must be is never changed: it is refused instead."""
        checked = await self.check_input("system", form.definition, is_json=True)
        if checked != form.definition:
            raise InvalidRequest(
                f"'{form.param}' has what a guardrail redacts; it cannot be changed.",
                param=form.param,
            )

    async def check_choice(self, choice: Choice, *, is_json: bool) -> Choice:
        """One alternative as it may leave. Raises GuardrailRefused where a refused output is a
        problem, and GuardrailUnavailable.
        """
        released = [
            await self._check_output(choice.text, is_json=is_json),
            await self._check_output(choice.reasoning),
            await self._check_output(choice.refusal),
            *[await self._check_output(call.arguments, is_json=True) for call in choice.tool_calls],
        ]
        refusal = next((each.refusal for each in released if each.refusal is not None), None)
        if refusal is not None:
            self.raise_for(refusal)
            return Choice(choice.index, "", "content_filter")
        text, reasoning, said, *arguments = [each.text for each in released]
        calls = tuple(
            replace(call, arguments=new)
            for call, new in zip(choice.tool_calls, arguments, strict=True)
        )
        return replace(choice, text=text, reasoning=reasoning, refusal=said, tool_calls=calls)

    def raise_for(self, refusal: RuleFinding) -> None:
        """Raises GuardrailRefused for a refused output if that is a problem."""
        if self.raises or refusal.policy in self.active.raising:
            raise refused(refusal, "output")

    async def _check_output(self, text: str, *, is_json: bool = False) -> Released:
        if not text:
            return Released(text)
        try:
            released = await check_text(self.active.output, text, self.asker, is_json=is_json)
        except GuardrailUnavailable as problem:
            self.note_unchecked(problem, "output")
            raise
        self._note_all(released, "output")
        return released

    def _note_all(self, released: Released, direction: Direction) -> None:
        for finding in released.findings:
            self.note(finding, direction)
        if released.refusal is not None:
            self.note(released.refusal, direction)


def is_json_output(request: GenerateRequest) -> bool:
    """Whether the response is JSON by the request."""
    return request.output_format is not None and request.output_format.kind in _JSON_FORMATS


def _tokens_redacted(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{param}' has what a guardrail redacts; send it as text, not as tokens.", param=param
    )
