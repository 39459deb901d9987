"""Bounds the requests that one ingress replica has open, so that overload is refused early."""

from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.runtime.problems import Overloaded

_NEVER_REFUSED = frozenset({"/healthz", "/readyz", "/health"})


class Concurrency:
    """Raises Overloaded beyond `limit` open requests; probes always pass."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _NEVER_REFUSED:
            await self._app(scope, receive, send)
            return
        if self._open >= self._limit:
            raise Overloaded(
                f"This replica has {self._limit} requests open, its limit.", limit=self._limit
            )
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1
