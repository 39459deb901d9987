"""One thing that callers can ask for, free of transport.

HTTP routes and Python handles both find an operation by name, validate the body against its
schema, and take either its answer or its events.
"""

from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from cluster.tenants.plan import RequestClass
from deployments.ingress.context import RequestContext
from deployments.ingress.http.streaming import Events

Body = TypeVar("Body", bound=BaseModel)


class Operation(Protocol[Body]):
    """`streams` says whether a body asks for events rather than one answer.

    `request_class` names the limits that its requests count against.
    """

    schema: type[Body]
    request_class: RequestClass

    def streams(self, body: Body) -> bool: ...

    async def answer(self, call: RequestContext, body: Body) -> dict[str, Any]: ...

    def events(self, call: RequestContext, body: Body) -> Events: ...
