"""One thing that callers can ask for, free of transport.

HTTP routes and Python handles both find an operation by name, validate the body against its
schema, have the request admitted, and take either the operation's answer or its events.
"""

from contextlib import aclosing
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.context import AdmittedRequest, RequestContext
from deployments.ingress.http.streaming import Events
from deployments.ingress.pipeline.response_relay import ResponseRelay

Body = TypeVar("Body", bound=BaseModel)


class Operation(Protocol[Body]):
    """`request_class` names the limits that its requests count against, `scope` is what a caller's
    credential must have. With `can_stream` its body has a field `stream`, by which a caller asks
    for events rather than one answer; otherwise `events` yields the answer.
    """

    schema: type[Body]
    request_class: RequestClass
    scope: Scope
    can_stream: bool

    async def answer(self, request: AdmittedRequest, body: Body) -> dict[str, Any]: ...

    def events(self, request: AdmittedRequest, body: Body) -> Events: ...


async def stream_operation(
    admission: AdmissionControl,
    context: RequestContext,
    name: str,
    operation: Operation[Any],
    body: Any,
    relay: ResponseRelay | None = None,
) -> Events:
    """The operation's events; it may pass pieces of text to `relay` instead. What admission control
    refuses is raised before the first.
    """
    async with (
        admission.admitted(
            context,
            operation.request_class,
            name,
            scope=operation.scope,
            model=getattr(body, "model", None),
        ) as admitted,
        aclosing(operation.events(_with_relay(admitted, relay), body)) as events,
    ):
        async for event in events:
            yield event


def _with_relay(admitted: AdmittedRequest, relay: ResponseRelay | None) -> AdmittedRequest:
    admitted.relay = relay
    return admitted
