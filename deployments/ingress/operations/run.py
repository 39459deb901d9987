"""One call's way through the gate to one operation, whatever brought it in."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from deployments.ingress.admission import AdmissionControl, AdmittedRequest
from deployments.ingress.context import RequestContext
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.base import Operation


class OperationCall:
    """Answers once, or streams once."""

    def __init__(
        self, gate: AdmissionControl, call: RequestContext, name: str, operation: Operation[Any]
    ) -> None:
        self._gate = gate
        self._call = call
        self._name = name
        self._operation = operation
        self.entrance: AdmittedRequest | None = None

    async def answer(self, body: Any) -> Mapping[str, Any]:
        """The operation's answer. Raises what the limiter and the operation raise."""
        async with self._admitted(body) as self.entrance:
            return await self._operation.answer(self._call, body)

    async def events(self, body: Any) -> Events:
        """The operation's events; refusals are raised before the first."""
        async with (
            self._admitted(body) as self.entrance,
            aclosing(self._operation.events(self._call, body)) as events,
        ):
            async for event in events:
                yield event

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Fields about limits and the cache for the answer; none before the call was admitted."""
        return [] if self.entrance is None else self.entrance.headers()

    def _admitted(self, body: Any) -> AbstractAsyncContextManager[AdmittedRequest]:
        model = getattr(body, "model", None)
        resource = "" if model is None else f"model:{model[:200]}"
        return self._gate.admitted(self._call, self._operation.request_class, self._name, resource)
