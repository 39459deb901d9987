"""A server that stands for an ingress replica: Serve's own, around an application that tells."""

import asyncio
import json
import threading
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.ops.haproxy_token import proxy_token
from deployments.ingress.http.client_address import ClientAddress, client_address
from deployments.ingress.http.listener import middlewares
from load_tests.benchmarks.common.free_port import free_port
from load_tests.benchmarks.common.haproxy_process import TOKEN


class Replica:
    """`/hang` answers nothing, `/silent` late, `/stream` two parts, `/cut` half an answer, the rest
    what it saw."""

    def __init__(self, trusted: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self.resume = threading.Event()
        token = proxy_token({"RAY_AUTH_TOKEN": TOKEN})
        self._server = uvicorn.Server(
            uvicorn.Config(
                as_serve_does(ClientAddress(self._tell, trusted, token)),
                port=self.port, lifespan="off", access_log=False, log_level="critical",
                http="httptools", forwarded_allow_ips="",
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    async def _tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/-/healthz":
            await _answer(send, b"success", known=True)
        elif path == "/stream":
            await _start(send, [])
            await send({"type": "http.response.body", "body": b"one,", "more_body": True})
            await asyncio.to_thread(self.resume.wait, 10)
            await send({"type": "http.response.body", "body": b"two"})
        elif path == "/silent":
            await _read(receive)
            await asyncio.to_thread(self.resume.wait, 10)
            await _answer(send, b"at the end", known=True)
        elif path.endswith("/hang"):
            while (await receive())["type"] != "http.disconnect":
                pass
        elif path.endswith("/die"):
            raise RuntimeError("half an answer")
        else:
            body = await _read(receive)
            await _answer(send, json.dumps(_seen(scope, body)).encode(), path != "/unknown-length")

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            pass
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.resume.set()
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)


async def _read(receive: Receive) -> bytes:
    """The whole body of a request."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def as_serve_does(app: ASGIApp) -> ASGIApp:
    """Serve's order: its own RequestIdMiddleware is innermost."""
    for middleware in middlewares():
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    return app


def _seen(scope: Scope, body: bytes) -> dict[str, Any]:
    return {
        "client": client_address(scope),
        "scheme": scope["scheme"],
        "version": scope["http_version"],
        "headers": [[n.decode("latin-1"), v.decode("latin-1")] for n, v in scope["headers"]],
        "body": len(body),
    }


async def _start(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-type", b"application/json"), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _answer(send: Send, body: bytes, known: bool) -> None:
    await _start(send, [(b"content-length", b"%d" % len(body))] if known else [])
    await send({"type": "http.response.body", "body": body[:10], "more_body": True})
    await send({"type": "http.response.body", "body": body[10:]})
