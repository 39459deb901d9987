"""`responses`: OpenAI's Responses API over the chat operation, with stored responses."""

import re
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

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
from deployments.ingress.schemas.file_search import (
    ComparisonFilter,
    CompoundFilter,
    RankingOptions,
)
from deployments.ingress.schemas.openai import ChatRequest
from deployments.ingress.schemas.responses import ResponseCreate
from deployments.ingress.translation.file_search import (
    RESULTS,
    FileSearch,
    question_of,
    wanted_search,
    with_passages,
)
from deployments.ingress.translation.problems import FieldNames, renamed_fields
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
from deployments.vector_stores.passages import FilePassage

DEFAULT_FOUND = 10  # passages of a search
_SEARCH_FIELDS: FieldNames = ((re.compile(r"vector_store\b"), "tools.vector_store_ids"),)


class FileSearcher(Protocol):
    """Whatever searches vector stores (deployments/ingress/operations/vector_store_search.py)."""

    async def find(
        self,
        request: AdmittedRequest,
        stores: Sequence[str],
        queries: Sequence[str],
        limit: int,
        filters: ComparisonFilter | CompoundFilter | None,
        ranking: RankingOptions,
    ) -> list[FilePassage]:
        """The best passages of all the stores. Raises Forbidden, NotFound, InvalidRequest."""
        ...


class Responses:
    """Answers an input, or continues the response `previous_response_id`. A response is stored, so
    that it can be continued and retrieved, unless `store` is false. With `stream` it answers with
    the events of OpenAI's Responses API."""

    schema = ResponseCreate
    request_class = RequestClass.GENERATE
    scope = Scope.GENERATE
    can_stream = True

    def __init__(
        self,
        chat: Chat,
        store: ResponseStore | None,
        templates: PromptTemplates,
        files: FileSearcher | None = None,
    ) -> None:
        """Without a store, nothing is stored, and nothing can be continued. `files` None: there are
        no vector stores."""
        self._chat = chat
        self._store = store
        self._templates = templates
        self._files = files

    async def answer(self, request: AdmittedRequest, body: ResponseCreate) -> dict[str, Any]:
        """Raises NotFound for a `previous_response_id` that is not the tenant's."""
        prompt: RenderedTemplate | None = None
        if body.prompt is not None:
            body, prompt = await self._templates.response(request, body, body.prompt)
        head, items, conversation = await self._begin(request, body)
        given = _ModelInput(body, conversation, await self._search(request, body, conversation))
        while True:
            chat = _chat(body, prompt, given, stream=False)
            try:
                with renamed_fields(FIELD_NAMES):
                    completion = await self._chat.complete(request, chat)
                break
            except PromptTooLong as problem:
                given.shorten(problem)
        completed = request.deadline.clock.wall()
        response = completed_response(head, completion, completed, given.search)
        head = await self._save(request, head, items, response)
        return response | {"store": head.is_stored}

    async def events(self, request: AdmittedRequest, body: ResponseCreate) -> Events:
        """From `response.created` to `response.completed` or `response.incomplete`."""
        prompt: RenderedTemplate | None = None
        if body.prompt is not None:
            body, prompt = await self._templates.response(request, body, body.prompt)
        head, items, conversation = await self._begin(request, body)
        stream = ResponseStream(head)
        given = _ModelInput(body, conversation, await self._search(request, body, conversation))
        async with aclosing(self._chunks(request, prompt, given)) as chunks:
            async for chunk in chunks:
                stream.search = given.search
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
        prompt: RenderedTemplate | None,
        given: "_ModelInput",
    ) -> AsyncGenerator[Chunk, None]:
        while True:
            chat = _chat(given.body, prompt, given, stream=True)
            try:
                with renamed_fields(FIELD_NAMES):
                    async with aclosing(self._chat.chunks(request, chat)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                break
            except PromptTooLong as problem:  # raised before the first chunk
                given.shorten(problem)

    async def _search(
        self, request: AdmittedRequest, body: ResponseCreate, conversation: list[Item]
    ) -> FileSearch | None:
        """What the tool `file_search` finds; None where the request has no use for it.

        Raises Forbidden, and NotFound for a vector store that is not the tenant's.
        """
        tool, query = wanted_search(body), question_of(conversation)
        if tool is None or not query:
            return None
        if self._files is None:
            raise DatabaseUnavailable
        with renamed_fields(_SEARCH_FIELDS):
            passages = await self._files.find(
                request,
                tool.vector_store_ids,
                [query],
                tool.max_num_results or DEFAULT_FOUND,
                tool.filters,
                tool.ranking_options or RankingOptions(),
            )
        with_results = RESULTS in (body.include or ())
        return FileSearch(query, tuple(passages), len(passages), with_results)

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


@dataclass(slots=True)
class _ModelInput:
    """What the model is given, as far as its context takes it."""

    body: ResponseCreate
    conversation: list[Item]
    search: FileSearch | None

    def shorten(self, problem: PromptTooLong) -> None:
        """Fewer passages, then fewer items where the client has allowed it. Raises the problem
        where there are none."""
        shorter = None if self.search is None else self.search.shortened(problem)
        if shorter is not None:
            self.search = shorter
        else:
            self.conversation = _shorten(self.body, self.conversation, problem)


def _chat(
    body: ResponseCreate,
    prompt: RenderedTemplate | None,
    given: "_ModelInput",
    *,
    stream: bool,
) -> ChatRequest:
    """The chat: instructions, the messages of a prompt template, the conversation."""
    chat = chat_request(body, with_passages(given.conversation, given.search), stream=stream)
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
