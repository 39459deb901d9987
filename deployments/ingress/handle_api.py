"""Calls by Python handles: the same operations, by name, through the same admission control.

Flows in: a credential, an operation's name, a JSON body. Flows out: the answer or the events.
"""

import logging
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from cluster.runtime.problems import InvalidRequest, Problem, to_problem
from deployments.ingress.authentication import authenticate_handle_call
from deployments.ingress.context import RequestContext
from deployments.ingress.end_user import FIELDS as END_USER_FIELDS
from deployments.ingress.end_user import name_end_user
from deployments.ingress.http.request_body import parse_json
from deployments.ingress.http.serve_bypass import OpenRequests
from deployments.ingress.http.streaming import Event
from deployments.ingress.http.usage_tags import body_tags
from deployments.ingress.operations import operations
from deployments.ingress.operations.base import Operation, stream_operation
from deployments.ingress.services import AppServices

KNOWN_ARGUMENTS = 6  # of `call` and `stream`; during a roll a newer caller may send more

logger = logging.getLogger("mobula.ingress")


class HandleApi:
    """Answers calls by handle; HTTP routes answer requests by HTTP. `open_requests` counts both."""

    def __init__(self, services: AppServices, open_requests: OpenRequests | None = None) -> None:
        self._services = services
        self._open_requests = open_requests or OpenRequests()
        self._operations = operations(services)

    async def call(
        self,
        credential: str,
        operation: str,
        body: bytes,
        timeout_s: float,
        priority: str | None = None,
        traceparent: str = "",
    ) -> Any:
        """Raises Unauthenticated for an invalid credential, and what HTTP would answer. Callers by
        handle are of the cluster: their `traceparent` says whether the call is recorded.
        """
        run, context, parsed = self._open(credential, operation, body, timeout_s, priority)
        with self._services.tracing.handle_call(context, operation, traceparent):
            async with self._services.admission.admitted(
                context,
                run.request_class,
                operation,
                scope=run.scope,
                model=getattr(parsed, "model", None),
            ) as admitted:
                return await run.answer(admitted, parsed)

    async def stream(
        self,
        credential: str,
        operation: str,
        body: bytes,
        timeout_s: float,
        priority: str | None = None,
        traceparent: str = "",
    ) -> AsyncGenerator[tuple[str | None, Any], None]:
        """The same as (event name, value) pairs."""
        run, context, parsed = self._open(credential, operation, body, timeout_s, priority)
        admission = self._services.admission
        with self._services.tracing.handle_call(context, operation, traceparent):
            stream = stream_operation(admission, context, operation, run, parsed)
            async with aclosing(stream) as events:
                async for event in events:
                    yield event

    async def answer(self, *arguments: Any) -> Any:
        """As `call`, but a Problem is returned, and the caller raises it: Serve logs the traceback
        of what a replica raises as an error.
        """
        try:
            with self._open_requests.one_more():
                return await self.call(*arguments[:KNOWN_ARGUMENTS])
        except Exception as error:  # noqa: BLE001 - logged unless it is a Problem
            return _to_answer(error)

    async def events(self, *arguments: Any) -> AsyncGenerator[Event | Problem, None]:
        """As `stream`, with a Problem as the last item."""
        try:
            with self._open_requests.one_more():
                async with aclosing(self.stream(*arguments[:KNOWN_ARGUMENTS])) as events:
                    async for event in events:
                        yield event
        except Exception as error:  # noqa: BLE001 - logged unless it is a Problem
            yield _to_answer(error)

    def _open(
        self, credential: str, name: str, body: bytes, timeout_s: float, priority: str | None
    ) -> tuple[Operation[Any], RequestContext, Any]:
        """The operation, the authenticated request and the validated body."""
        services = self._services
        caller = services.authenticator.verify(credential)
        operation = self._operations.get(name)
        if operation is None:
            known = ", ".join(self._operations)
            raise InvalidRequest(f"No operation '{name[:50]}'; operations: {known}.")
        context = authenticate_handle_call(
            services,
            caller,
            f"req_{uuid.uuid4().hex}",
            timeout_s,
            operation.request_class,
            priority,
        )
        try:
            parsed = parse_json(body, operation.schema)
            if getattr(parsed, "metadata", None) is not None:
                context.tags = body_tags(parsed.metadata, ())
        except Problem as problem:
            services.admission.record_refused(context, name, problem)
            raise
        if not END_USER_FIELDS.isdisjoint(parsed.model_fields_set):
            name_end_user(context, parsed)
        return operation, context, parsed


def _to_answer(error: Exception) -> Problem:
    """A Problem that can be pickled; anything else is logged, and becomes an internal error."""
    problem = to_problem(error)
    if problem is not error:
        logger.error("a call by handle failed", exc_info=error)
    problem.__cause__ = problem.__context__ = None
    return problem.with_traceback(None)
