"""What goes around Serve's wrapper, what stays Serve's, and what is counted."""

import asyncio
import pickle
import subprocess
import sys
import threading

import pytest
from starlette.types import Message, Receive, Scope, Send

from cluster.runtime.settings import ROOT
from deployments.ingress.http.joined_writes import JoinedWrites
from deployments.ingress.http.listener import RequestGuard, ServeHeaderFilter, middlewares
from deployments.ingress.http.serve_bypass import (
    RUNNING_REQUESTS,
    SERVER_CYCLE,
    LocalApplication,
    OpenRequests,
    ServeBypass,
    ServedApplication,
)


class Recorder:
    """An ASGI application that notes the scopes it is called with, and counts what is open."""

    def __init__(self, opened: OpenRequests | None = None) -> None:
        self.paths: list[str] = []
        self.types: list[str] = []
        self.seen_open = -1
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.types.append(scope["type"])
        self.paths.append(scope.get("path", ""))
        self.seen_open = -1 if self._opened is None else self._opened.count
        if scope["type"] == "http":
            headers = [(b"content-type", b"text/plain"), (b"x-request-id", b"mine-mine")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"hi"})


async def call(app: ServeBypass | ServedApplication, **scope: object) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "path": "/v1/models", "root_path": "", **scope}, receive, send)
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_requests_go_to_the_application_of_the_process(kind: str) -> None:
    local, serve, own = LocalApplication(), Recorder(), Recorder()
    local.install(own)

    await call(ServeBypass(serve, local), type=kind)

    assert (serve.types, own.types) == ([], [kind])


@pytest.mark.parametrize(
    ("path", "root_path", "is_serves"),
    [
        ("/-/healthz", "", True),
        ("/-/routes", "", True),
        ("/root/-/healthz", "/root", True),
        ("/-", "", False),
        ("/v1/-/healthz", "", False),
        ("/root/-/healthz", "", False),
    ],
)
async def test_health_and_routes_stay_serves(path: str, root_path: str, is_serves: bool) -> None:
    local, serve, own = LocalApplication(), Recorder(), Recorder()
    local.install(own)

    await call(ServeBypass(serve, local), path=path, root_path=root_path)

    assert (bool(serve.paths), bool(own.paths)) == (is_serves, not is_serves)


async def test_lifespan_stays_serves() -> None:
    local, serve, own = LocalApplication(), Recorder(), Recorder()
    local.install(own)

    await call(ServeBypass(serve, local), type="lifespan")

    assert (serve.types, own.types) == (["lifespan"], [])


async def test_a_process_without_an_application_passes_everything_on() -> None:
    """A proxy of the plain profile."""
    local, serve = LocalApplication(), Recorder()

    await call(ServeBypass(serve, local))
    await call(ServeBypass(serve, local), type="websocket")

    assert serve.types == ["http", "websocket"]
    assert local.open_requests.count == 0


async def test_an_application_on_another_event_loop_is_left_to_serve() -> None:
    """RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD=1."""
    local, serve, own = LocalApplication(), Recorder(), Recorder()

    async def install() -> None:
        local.install(own)

    await asyncio.to_thread(asyncio.run, install())
    await call(ServeBypass(serve, local))

    assert (serve.types, own.types) == (["http"], [])


async def test_open_requests_are_counted_whatever_way_they_came() -> None:
    local = LocalApplication()
    own = Recorder(local.open_requests)
    local.install(own)

    await call(ServeBypass(Recorder(), local))
    around = own.seen_open
    await call(ServedApplication(own, local.open_requests))
    through = own.seen_open

    assert (around, through, local.open_requests.count) == (1, 1, 0)


async def test_a_request_that_fails_is_open_no_more() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    local = LocalApplication()
    local.install(fail)

    with pytest.raises(RuntimeError):
        await call(ServeBypass(Recorder(), local))

    assert local.open_requests.count == 0


def test_a_replica_reports_its_own_count_only_where_serve_lacks_requests() -> None:
    local = LocalApplication()
    local.open_requests.count = 7

    assert local.autoscaling_stats() == {}, "Serve counts at its handles"
    ServeBypass(Recorder(), local)
    assert local.autoscaling_stats() == {RUNNING_REQUESTS: 7}


async def test_serve_adds_the_request_id_itself() -> None:
    start, _ = await call(ServedApplication(Recorder(), OpenRequests()))

    assert start["headers"] == [(b"content-type", b"text/plain")]


def test_the_guard_is_outside_and_the_filter_of_serves_headers_inside() -> None:
    order = [middleware.cls for middleware in middlewares()]  # innermost first

    assert order.index(ServeHeaderFilter) < order.index(ServeBypass) < order.index(RequestGuard)


def test_serves_proxies_load_nothing_heavy_with_it() -> None:
    heavy = "'ray', 'fastapi', 'pydantic', 'sqlalchemy', 'orjson', 'prometheus_client'"
    code = "import sys, deployments.ingress.http.listener\n"
    code += f"assert not {{{heavy}}} & set(sys.modules), sorted(sys.modules)"

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


class ServerCycle:
    """What uvicorn has behind `send`; like uvicorn's, it cannot be pickled."""

    def __init__(self, scope: Scope) -> None:
        self.scope, self.transport, self.lock = scope, None, threading.Lock()

    async def send(self, message: Message) -> None:
        pass


@pytest.mark.parametrize("has_application", [False, True])
async def test_the_servers_object_reaches_the_own_application_alone_and_no_other_process(
    has_application: bool,
) -> None:
    local, seen = LocalApplication(), list[object]()
    scope: Scope = {"type": "http", "path": "/v1/models", "root_path": ""}
    cycle = ServerCycle(scope)

    async def serves(scope: Scope, receive: Receive, send: Send) -> None:
        pickle.dumps(scope)  # as Serve's proxy does

    async def own(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope[SERVER_CYCLE])

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    if has_application:
        local.install(own)
    await JoinedWrites(ServeBypass(serves, local))(scope, receive, cycle.send)

    assert seen == ([cycle] if has_application else [])
    assert SERVER_CYCLE not in scope, "a scope that refers to its cycle is freed late"
