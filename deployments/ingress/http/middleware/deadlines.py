"""Gives every request a deadline, ours and not Serve's, and holds the body to it.

A client may ask for another time in `Mobula-Timeout: <seconds>`, up to the operator's maximum.
"""

import asyncio
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.clock import Clock, Deadline
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, RequestTimeout
from deployments.ingress.http.middleware.route_limits import RouteLimit, route_limit

HEADER = b"mobula-timeout"
UNBOUND = "/files/"  # downloads take as long as they take; the route ends those that stall
GRACE_S = 2.0  # stages end at the deadline by themselves; this is for one that does not


class Deadlines:
    """Sets `scope["state"]["deadline"]`, and `lift_deadline()` for an answer without an end.

    Raises RequestTimeout (408) when the body does not arrive in time and DeadlineExceeded (504)
    when a stage does not answer in time; a stream that has begun ends itself, in-band. Those in
    `allowances` have their own time where they ask for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        default_s: float,
        maximum_s: float,
        allowances: Sequence[RouteLimit] = (),
    ) -> None:
        self._app = app
        self._clock = clock
        self._default_s = default_s
        self._maximum_s = maximum_s
        self._allowances = allowances

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNBOUND):
            await self._app(scope, receive, send)
            return
        limit_s = self._limit(scope)
        deadline = Deadline.after(limit_s, self._clock)
        scope["state"]["deadline"] = deadline
        body_done = scope["method"] in ("GET", "HEAD")

        try:
            async with asyncio.timeout(limit_s) as timeout:
                scope["state"]["lift_deadline"] = lambda: timeout.reschedule(None)

                async def receive_in_time() -> Message:
                    nonlocal body_done
                    message = await receive()
                    if not body_done and not message.get("more_body", False):
                        body_done = True
                        timeout.reschedule(asyncio.get_running_loop().time() + limit_s + GRACE_S)
                    return message

                await self._app(scope, receive_in_time, send)
        except TimeoutError:
            if body_done:
                raise DeadlineExceeded("ingress", limit_s) from None
            raise RequestTimeout(f"The body did not arrive within {limit_s:g} s.") from None

    def _limit(self, scope: Scope) -> float:
        for name, value in scope["headers"]:
            if name == HEADER:
                return self._asked(value)
        allowed = route_limit(self._allowances, scope)
        return self._default_s if allowed is None or allowed.body_s is None else allowed.body_s

    def _asked(self, value: bytes) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds <= self._maximum_s:
            raise InvalidRequest(
                f"Header Mobula-Timeout must be a number of seconds, more than 0 and at most "
                f"{self._maximum_s:g}.",
                param="Mobula-Timeout",
                limit=self._maximum_s,
            )
        return seconds
