"""`tokenize` and `detokenize`: the tokenizer of a text or embedding model, in vLLM's shape."""

from collections.abc import Sequence
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.tokenization import DetokenizeRequest, TokenizeRequest
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.facts import TextFacts
from deployments.ingress.names.model_names import model_grants
from deployments.ingress.schemas.tokenization import DetokenizeBody, TokenizeBody


class Tokenize:
    """Body: TokenizeBody. Answer: the token ids of a prompt or a chat, and their number.

    No tokens are charged. A text may have more tokens than the model takes.
    """

    schema = TokenizeBody
    request_class = RequestClass.EMBED
    scope = Scope.GENERATE
    can_stream = False

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models

    async def answer(self, request: AdmittedRequest, body: TokenizeBody) -> dict[str, Any]:
        body.check()
        id = tokenizing_id(self._models, request, body.model, body.texts())
        model = self._models.tokenizing(id, model_grants(request))
        found = await model.tokenize(
            TokenizeRequest(
                request_id=request.request_id,
                caller=request.caller,
                model=id,
                prompt=body.prompt,
                messages=body.chat(),
                special=body.add_special_tokens is not False,
                named=bool(body.return_token_strs),
                timeout_s=request.timeout_s("ingress"),
            )
        )
        request.models.add(id)
        return {
            "count": len(found.ids),
            "max_model_len": found.limit,
            "tokens": list(found.ids),
            "token_strs": list(found.names) if body.return_token_strs else None,
        }

    async def events(self, request: AdmittedRequest, body: TokenizeBody) -> Events:
        """One event, the whole answer."""
        yield None, await self.answer(request, body)


class Detokenize:
    """Body: DetokenizeBody. Answer: the text of token ids. No tokens are charged."""

    schema = DetokenizeBody
    request_class = RequestClass.EMBED
    scope = Scope.GENERATE
    can_stream = False

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models

    async def answer(self, request: AdmittedRequest, body: DetokenizeBody) -> dict[str, Any]:
        id = tokenizing_id(self._models, request, body.model, ids=len(body.tokens))
        model = self._models.tokenizing(id, model_grants(request))
        found = await model.detokenize(
            DetokenizeRequest(
                request_id=request.request_id,
                caller=request.caller,
                model=id,
                ids=tuple(body.tokens),
                timeout_s=request.timeout_s("ingress"),
            )
        )
        request.models.add(id)
        return {"prompt": found.text}

    async def events(self, request: AdmittedRequest, body: DetokenizeBody) -> Events:
        """One event, the whole answer."""
        yield None, await self.answer(request, body)


def tokenizing_id(
    models: ModelRegistry,
    request: AdmittedRequest,
    name: str,
    texts: Sequence[str] = (),
    ids: int = 0,
) -> str:
    """The text or embedding model that `name` means. Raises UnknownModel."""
    if name in models.configured:
        return name
    facts = TextFacts(request, request.caller, texts, ids)
    return models.names.resolve(name, facts, request, models.tokenizing_ids)
