"""`messages.count_tokens`: Anthropic's count of the tokens of messages."""

from typing import Any

from cluster.runtime.problems import InvalidRequest
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.generation import GenerateRequest
from deployments.contracts.tokenization import TokenizeRequest
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.facts import GenerationFacts
from deployments.ingress.operations.chat import generate_request
from deployments.ingress.schemas.messages import MessageCountRequest
from deployments.ingress.schemas.tokenization import MAX_CHARS
from deployments.ingress.translation.messages import FIELD_NAMES, chat_request
from deployments.ingress.translation.problems import renamed_fields

_BYTES_PER_TOKEN = 4  # of an estimate
_IMAGE_TOKENS = 1_600  # of a large picture: how large it is, is not known here


class CountTokens:
    """Counts the tokens of messages and tools, as the model's own tokenizer does for its prompt. No
    tokens are charged."""

    schema = MessageCountRequest
    request_class = RequestClass.EMBED
    scope = Scope.GENERATE
    can_stream = False

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models

    async def answer(self, request: AdmittedRequest, body: MessageCountRequest) -> dict[str, Any]:
        """Raises InvalidRequest above MAX_CHARS. `estimated` marks the count of a provider's model,
        whose tokenizer is not known, and of messages with pictures."""
        chat = chat_request(body, stream=False)
        with renamed_fields(FIELD_NAMES):
            prompt = generate_request(request, chat)
            id, models = body.model, self._models
            if id not in models.configured:
                facts = GenerationFacts(request, prompt.caller, prompt)
                id = models.names.resolve(id, facts, request, models.tokenizing_ids)
            has_images = bool(prompt.image_sources) and id in models.text_models
            if (has_images or models.is_external(id)) and request.allows_model(id):
                request.models.add(id)
                return {"input_tokens": _estimate(prompt), "estimated": True}
            model = models.tokenizing(id, request.allows_model)
            _check_size(sum(len(each.content) for each in prompt.messages) + prompt.tool_bytes)
            found = await model.tokenize(
                TokenizeRequest(
                    request_id=request.request_id,
                    caller=request.caller,
                    model=id,
                    messages=prompt.messages,
                    timeout_s=request.timeout_s("ingress"),
                    tool_settings=prompt.tool_settings,
                )
            )
        request.models.add(id)
        return {"input_tokens": len(found.ids)}

    async def events(self, request: AdmittedRequest, body: MessageCountRequest) -> Events:
        """One event, the whole answer."""
        yield None, await self.answer(request, body)


def _estimate(prompt: GenerateRequest) -> int:
    size = sum([len(message.content.encode()) for message in prompt.messages]) + prompt.tool_bytes
    return -(-size // _BYTES_PER_TOKEN) + _IMAGE_TOKENS * len(prompt.image_sources)


def _check_size(size: int) -> None:
    if size > MAX_CHARS:
        raise InvalidRequest(
            f"messages have {size} characters, tools included; at most {MAX_CHARS} are tokenized.",
            param="messages",
            limit=MAX_CHARS,
        )
