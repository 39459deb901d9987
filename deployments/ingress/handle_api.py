"""Calls that come through Python handles: the same operations, by name, through the same gate.

Flows in: a credential, an operation's name, a JSON body. Flows out: the answer or the events.
"""

import logging
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from cluster.runtime.problems import InvalidRequest, Problem, to_problem
from deployments.ingress.authentication import context_from_handle
from deployments.ingress.http.request_body import parse_json
from deployments.ingress.http.streaming import Event
from deployments.ingress.operations import operations
from deployments.ingress.operations.run import OperationCall
from deployments.ingress.services import AppServices

logger = logging.getLogger("mobula.ingress")


class HandleApi:
    """Stands where HTTP routes stand for HTTP."""

    def __init__(self, services: AppServices) -> None:
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

    async def answer(self, *arguments: Any) -> Any:
        """As `call`, but a Problem is the answer, which the caller raises: of what is raised in a
        replica, Serve logs the whole traceback as an error.
        """
        try:
            return await self.call(*arguments)
        except Exception as error:  # noqa: BLE001 - logged where it is no Problem
            return _as_answer(error)

    async def events(self, *arguments: Any) -> AsyncGenerator[Event | Problem, None]:
        """As `stream`, with a Problem as the last item."""
        try:
            async with aclosing(self.stream(*arguments)) as events:
                async for event in events:
                    yield event
        except Exception as error:  # noqa: BLE001 - logged where it is no Problem
            yield _as_answer(error)

    def _open(
        self, credential: str, name: str, body: bytes, timeout_s: float, priority: str | None
    ) -> tuple[OperationCall, Any]:
        services = self._services
        caller = services.authenticator.verify(credential)
        operation = self._operations.get(name)
        if operation is None:
            known = ", ".join(self._operations)
            raise InvalidRequest(f"No operation '{name[:50]}'; operations: {known}.")
        call = context_from_handle(
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
            services.gate.record_refused(call, name, problem)
            raise
        return OperationCall(services.gate, call, name, operation), parsed


def _as_answer(error: Exception) -> Problem:
    """Fit to be pickled; what is no Problem is logged, and told as an internal error."""
    problem = to_problem(error)
    if problem is not error:
        logger.error("a call by handle failed", exc_info=error)
    problem.__cause__ = problem.__context__ = None
    return problem.with_traceback(None)
