"""`messages`: Anthropic's Messages API over the chat operation."""

import secrets
from contextlib import aclosing
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.chat import Chat
from deployments.ingress.schemas.messages import MessageRequest
from deployments.ingress.translation.message_stream import MessageStream
from deployments.ingress.translation.messages import (
    FIELD_NAMES,
    chat_request,
    completed_message,
)
from deployments.ingress.translation.problems import renamed_fields


class Messages:
    """Answers messages as Anthropic's API does: content blocks of text and of tool use. With
    `stream` it answers with the events of that API."""

    schema = MessageRequest
    request_class = RequestClass.GENERATE
    scope = Scope.GENERATE
    can_stream = True

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def answer(self, request: AdmittedRequest, body: MessageRequest) -> dict[str, Any]:
        chat = chat_request(body, stream=False)
        with renamed_fields(FIELD_NAMES):
            completion = await self._chat.complete(request, chat)
        return completed_message(_message_id(), body.model, completion)

    async def events(self, request: AdmittedRequest, body: MessageRequest) -> Events:
        """From `message_start` to `message_stop`."""
        stream = MessageStream(_message_id(), body.model)
        chat = chat_request(body, stream=True)
        with renamed_fields(FIELD_NAMES):
            async with aclosing(self._chat.chunks(request, chat)) as chunks:
                async for chunk in chunks:
                    for event in stream.add(chunk):
                        yield event
        for event in stream.close():
            yield event


def _message_id() -> str:
    return f"msg_{secrets.token_hex(24)}"
