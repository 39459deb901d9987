"""Writes parts of a response whose head has been sent, without a task and the layers in between.

In: the scope of a request that goes around Serve's wrapper. Out: chunks (RFC 9112, section 7.1) on
the server's transport. `send` must be used where something is to be waited for.

A test pins the attributes used of uvicorn 0.54's RequestResponseCycle, and that the bytes are those
that uvicorn would have written.
"""

from typing import Any

from starlette.types import Scope

from deployments.ingress.context import ResponseProgress, request_state
from deployments.ingress.http.serve_bypass import SERVER_CYCLE


class ResponseWriter:
    """Of one response."""

    __slots__ = ("_cycle", "_progress")

    def __init__(self, cycle: Any, progress: ResponseProgress) -> None:
        self._cycle = cycle
        self._progress = progress

    @property
    def is_writable(self) -> bool:
        """Not where the client reads too slowly or has left."""
        cycle = self._cycle
        return not (cycle.flow.write_paused or cycle.disconnected or cycle.response_complete)

    def write(self, part: bytes) -> None:
        """Only while it is writable; `part` is not empty."""
        self._progress.body_bytes += len(part)
        self._cycle.transport.write(b"%x\r\n%b\r\n" % (len(part), part))


def response_writer(scope: Scope) -> ResponseWriter | None:
    """None where the server is not reached from here, or parts are not sent as chunks."""
    cycle = scope.get(SERVER_CYCLE)
    if cycle is None or not cycle.response_started or cycle.chunked_encoding is not True:
        return None
    if cycle.scope["method"] == "HEAD":
        return None
    return ResponseWriter(cycle, request_state(scope).response)
