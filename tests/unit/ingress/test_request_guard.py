"""What Serve's own handler never gets to see."""

from importlib import import_module

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from cluster.ops.environment import serve_environment
from deployments.ingress.http.listener import MAX_UNREAD, METHODS, RequestGuard

CALLBACK = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"


class Handler:
    """Stands where Serve's handler does: notes what comes and reads all of it."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.received = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.methods.append(scope["method"])
        while (message := await receive())["type"] == "http.request":
            self.received += len(message["body"])
            if not message["more_body"]:
                break


async def ask(handler: Handler, method: str, chunks: int = 1) -> list[Message]:
    sent: list[Message] = []
    left = [chunks]

    async def receive() -> Message:
        left[0] -= 1
        return {"type": "http.request", "body": b"x" * 16_384, "more_body": left[0] > 0}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/api/v1/jobs", "headers": []}
    await RequestGuard(handler)(scope, receive, send)
    return sent


@pytest.mark.parametrize("profile", ["fast", "plain"])
def test_serve_is_told_to_install_the_guard(profile: str) -> None:
    path = serve_environment("plain" if profile == "plain" else "fast")[CALLBACK]
    module, _, name = path.rpartition(".")

    middlewares = getattr(import_module(module), name)()

    assert RequestGuard in [middleware.cls for middleware in middlewares]


@pytest.mark.parametrize("method", ["PROPFIND", "QUERY", "INVENTED", "get", "CONNECT", "X" * 8_000])
async def test_a_method_that_no_route_has_is_501_and_never_reaches_serve(method: str) -> None:
    handler = Handler()

    start, body = await ask(handler, method)

    assert (start["status"], handler.methods) == (501, [])
    assert orjson.loads(body["body"])["type"].endswith("method-not-implemented")
    assert len(body["body"]) < 500


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_methods_of_routes_pass(method: str) -> None:
    handler = Handler()

    await ask(handler, method)

    assert handler.methods == [method]


@pytest.mark.parametrize(
    ("method", "is_bounded"), [("GET", True), ("DELETE", True), ("PUT", False)]
)
async def test_a_body_that_no_route_reads_is_not_taken_in_without_end(
    method: str, is_bounded: bool
) -> None:
    handler = Handler()

    await ask(handler, method, chunks=1_000)

    assert (handler.received <= MAX_UNREAD + 16_384) == is_bounded
