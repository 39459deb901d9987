"""Requests that go around Serve's wrapper: from Serve's listener to the application beside it.

Serve starts a uvicorn server in each ingress replica, for the port that HAProxy connects to, and
passes every request of it through a wrapper of its own, which costs several times what uvicorn
itself does. `ServeBypass` is a layer around that wrapper (deployments/ingress/http/listener.py). In
a process that has an application it hands HTTP and WebSocket scopes to it; Serve keeps `/-/*`, by
which it says whether the replica is healthy or draining, and everything in a process without one.

What Serve's wrapper did for these requests is done here and in the application: open requests are
counted (`OpenRequests`), a client's disconnect cancels its request (disconnects.py), methods are
refused (listener.py), limits are the application's own (middleware/limits.py). A draining replica
needs nothing: Serve awaits its uvicorn, which awaits its connections, within the grace.

Imports nothing but types: Serve's proxies load this, too.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RUNNING_REQUESTS = "running_requests"  # Serve's name of the metric by which it scales a deployment
SERVER_CYCLE = "mobula.cycle"  # of the scope: uvicorn's object behind `send` (joined_writes.py)
_REQUESTS = frozenset({"http", "websocket"})
_SERVES_PATHS = "/-/"


class OpenRequests:
    """The requests of this replica that have begun and not ended, whatever way they came."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


class LocalApplication:
    """The application of this process, if it has one, and its open requests.

    `loop` is the event loop that it runs on. `is_reachable`: a listener of this process hands
    requests to it, so that Serve sees only some.
    """

    def __init__(self) -> None:
        self.open_requests = OpenRequests()
        self.application: ASGIApp | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_reachable = False

    def install(self, application: ASGIApp) -> None:
        """Called on the application's event loop."""
        self.application, self.loop = application, asyncio.get_running_loop()

    def autoscaling_stats(self) -> dict[str, float]:
        """What a replica reports to Serve: its own count instead of Serve's, which lacks requests.

        Nothing where every request passes Serve: it counts them at its handles then.
        """
        return {RUNNING_REQUESTS: self.open_requests.count} if self.is_reachable else {}


LOCAL = LocalApplication()


class ServeBypass:
    """Hands requests to the application of this process; `app` is Serve's handler."""

    def __init__(self, app: ASGIApp, local: LocalApplication = LOCAL) -> None:
        self._serves = app
        self._local = local
        self._open = local.open_requests
        local.is_reachable = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        local = self._local
        application = local.application
        if (
            application is None
            or scope["type"] not in _REQUESTS
            or _is_serves(scope)
            or local.loop
            is not asyncio.get_running_loop()  # Serve may run it in a thread of its own
        ):
            await self._serves(scope, receive, send)
            return
        scope[SERVER_CYCLE] = getattr(send, "cycle", None)
        self._open.count += 1
        try:
            await application(scope, receive, send)
        finally:
            self._open.count -= 1


def _is_serves(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith(_SERVES_PATHS, len(scope.get("root_path", "")))


class ServedApplication:
    """The application as Serve gets it, for requests that do pass its wrapper.

    They are counted with the others. Serve's RequestIdMiddleware adds the request id to each
    response, so it is removed here. WebSocket and lifespan scopes pass unchanged.
    """

    def __init__(self, application: ASGIApp, open_requests: OpenRequests) -> None:
        self._application = application
        self._open = open_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return

        async def send_without_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [each for each in message["headers"] if each[0] != b"x-request-id"]
                message = {**message, "headers": headers}
            await send(message)

        with self._open.one_more():
            await self._application(scope, receive, send_without_id)
