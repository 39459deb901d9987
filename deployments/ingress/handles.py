"""Calls that come through Python handles: the same operations, by name, through the same gate.

Flows in: a credential, an operation's name, a JSON body. Flows out: the answer or the events.
"""

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from cluster.problems import InvalidRequest, Problem
from deployments.ingress.body import parse_json
from deployments.ingress.credentials import call_by_handle
from deployments.ingress.operations import operations
from deployments.ingress.operations.passage import Passage
from deployments.ingress.services import Services


class HandleCalls:
    """Stands where HTTP routes stand for HTTP."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._operations = operations(services)

    async def call(
        self,
        credential: str,
        operation: str,
        body: bytes,
        timeout_s: float,
        priority: str | None = None,
    ) -> Any:
        """Raises Unauthenticated for a forged credential, and what HTTP would answer."""
        passage, parsed = self._open(credential, operation, body, timeout_s, priority)
        return await passage.answer(parsed)

    async def stream(
        self,
        credential: str,
        operation: str,
        body: bytes,
        timeout_s: float,
        priority: str | None = None,
    ) -> AsyncGenerator[tuple[str | None, Any], None]:
        """The same as (event name, value) pairs."""
        passage, parsed = self._open(credential, operation, body, timeout_s, priority)
        async with aclosing(passage.events(parsed)) as events:
            async for event in events:
                yield event

    def _open(
        self, credential: str, name: str, body: bytes, timeout_s: float, priority: str | None
    ) -> tuple[Passage, Any]:
        services = self._services
        caller = services.authenticator.verify(credential)
        operation = self._operations.get(name)
        if operation is None:
            known = ", ".join(self._operations)
            raise InvalidRequest(f"No operation '{name[:50]}'; operations: {known}.")
        call = call_by_handle(
            services,
            caller,
            f"req_{uuid.uuid4().hex}",
            timeout_s,
            operation.request_class,
            priority,
        )
        try:
            parsed = parse_json(body, operation.schema)
        except Problem as problem:
            services.gate.refused(call, name, problem)
            raise
        return Passage(services.gate, call, name, operation), parsed
