"""`responses`: OpenAI's Responses API over the chat operation, with stored responses."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import orjson

from cluster.responses.store import ResponseRecord, ResponseStore
from cluster.runtime.problems import PromptTooLong
from cluster.storage.database import DatabaseUnavailable
from cluster.templates.document import RenderedTemplate
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.generation import Chunk
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.chat import Chat
from deployments.ingress.operations.prompt_templates import PromptTemplates, with_messages
from deployments.ingress.schemas.openai import ChatRequest
from deployments.ingress.schemas.responses import ResponseCreate
from deployments.ingress.translation.problems import renamed_fields
from deployments.ingress.translation.response_items import (
    Item,
    input_items,
    referenced_responses,
)
from deployments.ingress.translation.response_stream import ResponseStream
from deployments.ingress.translation.responses import (
    FIELD_NAMES,
    ResponseHead,
    chat_request,
    completed_response,
)
from deployments.ingress.translation.truncation import shortened


class Responses:
    """Answers an input, or continues the response `previous_response_id`. A response is stored, so
    that it can be continued and retrieved, unless `store` is false. With `stream` it answers with
    the events of OpenAI's Responses API."""

    schema = ResponseCreate
    request_class = RequestClass.GENERATE
    scope = Scope.GENERATE
    can_stream = True

    def __init__(self, chat: Chat, store: ResponseStore | None, templates: PromptTemplates) -> None:
        """Without a store, nothing is stored, and nothing can be continued."""
        self._chat = chat
        self._store = store
        self._templates = templates

    async def answer(self, request: AdmittedRequest, body: ResponseCreate) -> dict[str, Any]:
        """Raises NotFound for a `previous_response_id` that is not the tenant's."""
        prompt: RenderedTemplate | None = None
        if body.prompt is not None:
            body, prompt = await self._templates.response(request, body, body.prompt)
        head, items, conversation = await self._begin(request, body)
        while True:
            chat = _chat(body, prompt, conversation, stream=False)
            try:
                with renamed_fields(FIELD_NAMES):
                    completion = await self._chat.complete(request, chat)
                break
            except PromptTooLong as problem:
                conversation = _shorten(body, conversation, problem)
        completed = request.deadline.clock.wall()
        response = completed_response(head, completion, completed)
        head = await self._save(request, head, items, response)
        return response | {"store": head.is_stored}

    async def events(self, request: AdmittedRequest, body: ResponseCreate) -> Events:
        """From `response.created` to `response.completed` or `response.incomplete`."""
        prompt: RenderedTemplate | None = None
        if body.prompt is not None:
            body, prompt = await self._templates.response(request, body, body.prompt)
        head, items, conversation = await self._begin(request, body)
        stream = ResponseStream(head)
        async with aclosing(self._chunks(request, body, prompt, conversation)) as chunks:
            async for chunk in chunks:
                for event in stream.add(chunk):
                    yield event
        for event in stream.close():
            yield event
        completed = request.deadline.clock.wall()
        head = await self._save(request, head, items, stream.response(head, completed))
        yield stream.finish(head, completed)

    async def _chunks(
        self,
        request: AdmittedRequest,
        body: ResponseCreate,
        prompt: RenderedTemplate | None,
        conversation: list[Item],
    ) -> AsyncGenerator[Chunk, None]:
        while True:
            chat = _chat(body, prompt, conversation, stream=True)
            try:
                with renamed_fields(FIELD_NAMES):
                    async with aclosing(self._chat.chunks(request, chat)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                break
            except PromptTooLong as problem:  # raised before the first chunk
                conversation = _shorten(body, conversation, problem)

    async def _begin(
        self, request: AdmittedRequest, body: ResponseCreate
    ) -> tuple[ResponseHead, list[Item], list[Item]]:
        """What is known of the response before it is made, the items of the input, and those with
        all that they continue.
        """
        tenant, number = request.caller.tenant, secrets.token_hex(24)
        items = input_items(body, number, await self._known_items(tenant, body))
        history: list[Item] = []
        if body.previous_response_id is not None:
            store = self._require_store()
            for record in await store.chain(tenant, body.previous_response_id):
                history += _items_of(record)
        is_stored = body.store is not False and self._store is not None
        head = ResponseHead(body, number, request.created, is_stored)
        return head, items, [*history, *items]

    async def _known_items(self, tenant: str, body: ResponseCreate) -> dict[str, Item]:
        """The items of the responses to which the input refers, by their ids."""
        ids = referenced_responses(body)
        if not ids:
            return {}
        records = await self._require_store().find(tenant, ids)
        return {item["id"]: item for record in records for item in _items_of(record)}

    async def _save(
        self,
        request: AdmittedRequest,
        head: ResponseHead,
        items: list[Item],
        response: dict[str, Any],
    ) -> ResponseHead:
        """Store the response where it is to be stored. One that cannot be is answered none the
        less, and says so.
        """
        if self._store is None or not head.is_stored:
            return head
        content = orjson.dumps({"response": response, "input": items})
        record = ResponseRecord(head.id, head.body.previous_response_id, content)
        saved = await self._store.save(request.caller.tenant, record)
        return replace(head, is_stored=saved)

    def _require_store(self) -> ResponseStore:
        if self._store is None:
            raise DatabaseUnavailable
        return self._store


def _chat(
    body: ResponseCreate,
    prompt: RenderedTemplate | None,
    conversation: list[Item],
    *,
    stream: bool,
) -> ChatRequest:
    """The chat: instructions, the messages of a prompt template, the conversation."""
    chat = chat_request(body, conversation, stream=stream)
    return chat if prompt is None else with_messages(chat, prompt, 1 if body.instructions else 0)


def _shorten(body: ResponseCreate, items: list[Item], problem: PromptTooLong) -> list[Item]:
    """Fewer items, where the client has allowed it. Raises the problem where there are none."""
    shorter = shortened(items, problem) if body.truncation == "auto" else None
    if shorter is None:
        raise problem
    return shorter


def _items_of(record: ResponseRecord) -> list[Item]:
    """The input of a stored response and its output."""
    content = orjson.loads(record.content)
    return [*content["input"], *content["response"]["output"]]
