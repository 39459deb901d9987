"""Prompt templates in requests: resolved and rendered before anything else sees the request.

    body with a template -> version of the caller's tenant -> checked values -> body without one

In: an admitted request and its body. Out: the body that the client could have sent without a
template, so that the cache, limits, guardrails and the ledger see the rendered text. What the body
gives itself goes before the defaults of the template; its model, before the tenant's default model.
The response names the version.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from cluster.runtime.problems import InvalidRequest
from cluster.storage.database import DatabaseUnavailable
from cluster.templates.directory import TemplateDirectory
from cluster.templates.document import RenderedTemplate
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.names.spec import DEFAULT
from deployments.ingress.schemas.chat_messages import ChatMessage
from deployments.ingress.schemas.content import MAX_TOPIC_CHARS, BriefBody
from deployments.ingress.schemas.openai import ChatRequest, CompletionRequest
from deployments.ingress.schemas.responses import ResponseCreate
from deployments.ingress.schemas.structured_output import FORMAT_FIELDS
from deployments.ingress.schemas.template_use import ResponsePrompt, TemplateUse
from deployments.ingress.schemas.tools import ResponseFormat

HEADER = b"mobula-template"
MAX_NAMED = 16  # versions that one response names, of a batch
FIELD = "template"

Brief = TypeVar("Brief", bound=BriefBody)
_RESPONSE_FIELDS = {
    "model": "model",
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_output_tokens",
}


class PromptTemplates:
    """`directory` holds the templates (None: there is no store)."""

    def __init__(self, directory: TemplateDirectory | None) -> None:
        self._directory = directory

    async def chat(
        self, request: AdmittedRequest, body: ChatRequest, use: TemplateUse
    ) -> ChatRequest:
        """The template's messages, then those of the body. Raises NotFound, InvalidRequest."""
        return with_messages(body, await self._render(request, use, FIELD))

    async def completion(
        self, request: AdmittedRequest, body: CompletionRequest, use: TemplateUse
    ) -> CompletionRequest:
        """The rendered text is the prompt."""
        if "prompt" in body.model_fields_set and body.prompt:
            raise InvalidRequest("prompt: the template makes it.", param="prompt")
        return with_prompt(body, await self._render(request, use, FIELD))

    async def brief(
        self, request: AdmittedRequest, item: Brief, use: TemplateUse, param: str = FIELD
    ) -> Brief:
        """The rendered text is the topic; of the defaults, `model` and `seed` are taken."""
        rendered = await self._render(request, use, param)
        topic = rendered.as_text(param).strip()
        if not 1 <= len(topic) <= MAX_TOPIC_CHARS:
            raise InvalidRequest(
                f"{param}: renders to a topic of {len(topic)} characters; it has 1 to "
                f"{MAX_TOPIC_CHARS}.",
                param=param,
                limit=MAX_TOPIC_CHARS,
            )
        update: dict[str, Any] = {"topic": topic, "template": None}
        if not _names_model(item.model):
            update["model"] = rendered.defaults.model
        seed = rendered.defaults.seed
        if item.seed is None and seed is not None:
            update["seed"] = seed & 0x7FFF_FFFF
        return item.model_copy(update=update)

    async def response(
        self, request: AdmittedRequest, body: ResponseCreate, prompt: ResponsePrompt
    ) -> tuple[ResponseCreate, RenderedTemplate]:
        """The body with the template's defaults, and what is to be put before its input."""
        rendered = await self._render(request, prompt, "prompt")
        update = {
            field: value
            for name, field in _RESPONSE_FIELDS.items()
            if not _gives(body, field) and (value := getattr(rendered.defaults, name)) is not None
        }
        return body.model_copy(update=update), rendered

    async def _render(
        self, request: AdmittedRequest, use: TemplateUse | ResponsePrompt, param: str
    ) -> RenderedTemplate:
        if self._directory is None:
            raise DatabaseUnavailable
        request.is_templated = True
        number, values = _parts(use)
        tenant = request.caller.tenant
        version, compiled = await self._directory.find(tenant, use.id, number, use.label, param)
        rendered = compiled.render(use.id, version, values, f"{param}.variables")
        header = (HEADER, rendered.reference.encode())
        named = [field for field in request.extra_headers if field[0] == HEADER]
        if header not in named and len(named) < MAX_NAMED:
            request.extra_headers.append(header)
        return rendered


def with_messages(body: ChatRequest, rendered: RenderedTemplate, after: int = 0) -> ChatRequest:
    """`body` with the template's messages after the first `after` ones, and its defaults."""
    for index, message in enumerate(body.messages):
        message.to_message(index)  # refuses by the numbers that the client knows
        message.image_sources(index)
    own = [
        ChatMessage.model_validate({"role": role, "content": content})
        for role, content in rendered.as_messages()
    ]
    messages = [*body.messages[:after], *own, *body.messages[after:]]
    update = {"messages": messages, "template": None, **_defaults(body, rendered)}
    return body.model_copy(update=update)


def with_prompt(body: CompletionRequest, rendered: RenderedTemplate) -> CompletionRequest:
    """`body` with the rendered text as its prompt, and the template's defaults."""
    text = rendered.as_text(FIELD)
    update = {"prompt": text, "template": None, **_defaults(body, rendered)}
    return body.model_copy(update=update)


def _gives(body: ChatRequest | CompletionRequest | ResponseCreate, field: str) -> bool:
    value = getattr(body, field)
    return _names_model(value) if field == "model" else value not in (None, "")


def _names_model(model: str | None) -> bool:
    return model not in (None, "", DEFAULT)


def _parts(use: TemplateUse | ResponsePrompt) -> tuple[int | None, Mapping[str, Any]]:
    if isinstance(use, TemplateUse):
        return use.version, use.variables
    return use.number, use.values()


def _defaults(body: ChatRequest | CompletionRequest, rendered: RenderedTemplate) -> dict[str, Any]:
    """The template's defaults for what the body does not give."""
    values = rendered.defaults.model_dump(exclude_none=True)
    if isinstance(body, ChatRequest) and body.max_completion_tokens is not None:
        values.pop("max_tokens", None)
    format = values.pop("response_format", None)
    update = {name: value for name, value in values.items() if not _gives(body, name)}
    if format is not None and FORMAT_FIELDS.isdisjoint(body.model_fields_set):
        update["response_format"] = ResponseFormat.model_validate(format)
    return update
