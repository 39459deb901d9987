"""`./mobula bench cpu`: CPU time of our own code for one request, by kind of request.

Measured in one process, without Ray, HAProxy and HTTP sockets: uvicorn's server, the layers of the
listener, the whole application with everything on (keys, every kind of limit, usage, audit, cache),
a link on loopback, and a text model with the echo engine. Both ends of the link are in the figures.
CPU time is the process's own, so other load on the machine moves it little; of `--rounds`, in
which the cases take turns, the least counts.

"bare" is an ASGI application of a few lines behind the same server. Streams "at once" get all
tokens in one chunk; "spread" ones get 20 a second, each in a chunk of its own, without what the
process costs idle meanwhile. "by a provider": the model is a mock upstream's, in a process of its
own, which is asked over HTTP instead of a link. Of analyses of texts the ingress alone is measured,
with results that were made before. `--validation` shows instead what the bodies of
the hottest operations cost pydantic, and would cost msgspec at least.
"""

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvloop
from rich.console import Console
from rich.table import Table
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.auth.bootstrap import bootstrap
from cluster.ops.haproxy_configuration import TOKEN_HEADER
from cluster.runtime.clock import SystemClock
from cluster.runtime.garbage_collection import collect_rarely
from cluster.runtime.settings import Settings
from deployments.contracts.generation import ModelCard
from deployments.ingress.http.listener import middlewares
from deployments.ingress.http.serve_bypass import LOCAL
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.model.engines.echo import EchoEngine
from deployments.model.spec import Limits
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from deployments.providers.config import ProvidersConfig
from load_tests.benchmarks.common.http_connection import InMemoryConnection, InMemoryServer
from load_tests.benchmarks.common.in_process_application import (
    CONTEXT_LENGTH,
    SEQUENCES,
    start_application,
)
from load_tests.benchmarks.common.linked_model import linked_model
from load_tests.benchmarks.common.measurement import figure_key, finish_benchmark
from load_tests.benchmarks.common.recorded_analysis import OPERATIONS, POST, RecordedAnalyzer
from load_tests.benchmarks.common.tenants import EVERY_LIMIT, create_tenant
from load_tests.benchmarks.speed.body_validation import bodies, measure_validation
from load_tests.benchmarks.speed.compare.echo_process import run_echo_server
from load_tests.machine import describe_machine

ROUTE, ANALYZE = "/v1/chat/completions", "/api/v1/text/analyze"
INGRESS_MS = 1.0  # of an analysis, at most
TOKENS = 50
PACE = 20.0  # tokens a second of a spread stream
PROMPT = " ".join(f"word{i}" for i in range(TOKENS))
SPREAD_MAX_MS = 6.0
IDLE_S, IDLE_WINDOWS = 0.7, 3
_PROXY_TOKEN = "0123456789abcdef"


@dataclass(frozen=True, eq=False)
class CpuCase:
    """`connections` None: the option's. Streams that are `spread` in time are run once a round."""

    name: str
    body: Mapping[str, Any]
    path: str = ROUTE
    headers: str = ""
    connections: int | None = None
    spread: bool = False
    at_most_ms: float | None = None


def _chat(model: str = "echo", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}], **fields}


def _stream(model: str) -> dict[str, Any]:
    return _chat(model, stream=True, max_tokens=TOKENS, ignore_eos=True)


BARE = CpuCase("bare", _chat(), path="/bare")
HIT = CpuCase("chat, cached", _chat(temperature=0))
UNCACHED = CpuCase("chat, computed", _chat())
AT_ONCE = CpuCase("stream of 50, at once", _stream("echo"))
SPREAD = tuple(
    CpuCase(
        f"stream of 50, spread, {connections} open",
        _stream("paced"),
        connections=connections,
        spread=True,
        at_most_ms=SPREAD_MAX_MS,
    )
    for connections in (16, 64)
)
FORWARDED = CpuCase("chat, by a provider", _chat("forwarded"))
FORWARDED_STREAM = CpuCase(
    "stream of 50, at once, by a provider", _chat("forwarded", stream=True, max_tokens=TOKENS)
)
ANALYSIS = CpuCase(
    "analysis of a text",
    {"text": POST, "operations": OPERATIONS},
    path=ANALYZE,
    headers="cache-control: no-store\r\n",
    at_most_ms=INGRESS_MS,
)
ANALYSIS_STREAM = replace(
    ANALYSIS, name="analysis of a text, streamed", body={**ANALYSIS.body, "stream": True}
)
ANALYSIS_HIT = replace(ANALYSIS, name="analysis of a text, cached", headers="")
TEXT = (ANALYSIS, ANALYSIS_STREAM, ANALYSIS_HIT)
CASES = (BARE, HIT, UNCACHED, AT_ONCE, FORWARDED, FORWARDED_STREAM, *TEXT, *SPREAD)


@dataclass(frozen=True)
class CpuCost:
    """CPU milliseconds of one request, and writes of its response."""

    case: CpuCase
    rounds: tuple[float, ...]
    writes: float

    @property
    def ms(self) -> float:
        """The least of the rounds; the median where an idle process was subtracted, as the least
        of differences is what the subtracted part varies by.
        """
        return statistics.median(self.rounds) if self.case.spread else min(self.rounds)

    @property
    def passed(self) -> bool:
        return self.case.at_most_ms is None or self.ms <= self.case.at_most_ms

    def to_dict(self) -> dict[str, object]:
        return {
            "key": figure_key(self.case.name),
            "case": self.case.name,
            "cpu_ms": self.ms,
            "median_ms": statistics.median(self.rounds),
            "writes": self.writes,
            "at_most_ms": self.case.at_most_ms,
            "passed": self.passed,
        }


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse_options(argv)
    console = Console()
    if options.validation:
        return _compare_validation(console, options)
    cases = [case for case in CASES if options.only in case.name]
    collect_rarely()
    with (
        tempfile.TemporaryDirectory() as home,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        rows = runner.run(measure(Path(home), cases, options))
    table = Table("request", "CPU ms", "median", "writes", "target", "")
    for row in rows:
        target = "" if row.case.at_most_ms is None else f"<= {row.case.at_most_ms:g} ms"
        verdict = ("met" if row.passed else "MISSED") if target else ""
        median = statistics.median(row.rounds)
        table.add_row(
            row.case.name, f"{row.ms:.4f}", f"{median:.4f}", f"{row.writes:.1f}", target, verdict
        )
    console.print(table)
    passed = bool(rows) and all(row.passed for row in rows)
    report = {
        "benchmark": "cpu",
        "machine": describe_machine(),
        "conditions": {
            "rounds": options.rounds,
            "requests": options.requests,
            "connections": options.connections,
        },
        "rows": [row.to_dict() for row in rows],
        "passed": passed,
    }
    return finish_benchmark(report, passed, options)


def _compare_validation(console: Console, options: argparse.Namespace) -> int:
    table = Table("body", "pydantic, us", "msgspec, us")
    rows = []
    for schema, body in bodies(PROMPT).items():
        cost, name = measure_validation(body, schema, options.rounds), schema.__name__
        table.add_row(name, f"{cost.pydantic_us:.2f}", f"{cost.msgspec_us:.2f}")
        rows += [
            {"key": figure_key(name, "pydantic"), "cpu_us": cost.pydantic_us},
            {"key": figure_key(name, "msgspec"), "cpu_us": cost.msgspec_us},
        ]
    console.print(table)
    report = {"benchmark": "cpu", "machine": describe_machine(), "rows": rows, "passed": True}
    return finish_benchmark(report, True, options)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench cpu", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is measured")
    parser.add_argument("--requests", type=int, default=4_000, help="of one measurement")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--validation", action="store_true", help="of bodies, nothing else")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


async def measure(
    home: Path, cases: Sequence[CpuCase], options: argparse.Namespace
) -> list[CpuCost]:
    """Raises RuntimeError where a request is not answered by 200."""
    settings, clock = Settings(home=home, log_level="ERROR"), SystemClock()
    admin_key = bootstrap(home, settings)
    assert admin_key is not None
    tenancy = TenantServices(settings, MemoryAuthority(clock), {}, clock)
    async with AsyncExitStack() as stack:
        engines = {"echo": EchoEngine(SEQUENCES), "paced": EchoEngine(SEQUENCES, PACE)}
        models: Any = {
            name: await stack.enter_async_context(linked_model(name, _model(name, engine), clock))
            for name, engine in engines.items()
        }
        upstream = stack.enter_context(run_echo_server(home, 0.0))
        providers = ProvidersConfig((_forwarded(upstream),), private_hosts=("127.0.0.1",))
        started = start_application(
            *(settings, tenancy, models, clock),
            proxy_token=_PROXY_TOKEN,
            providers=providers,
            analyzer=RecordedAnalyzer(),
        )
        app = (await stack.enter_async_context(started)).app
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mobula") as http:
            key = await create_tenant(http, admin_key, "cpu", EVERY_LIMIT)
        LOCAL.install(app)
        server = InMemoryServer(_listener())
        servers = {ROUTE: server, ANALYZE: server, BARE.path: InMemoryServer(_answer_bare)}
        for case in (BARE, UNCACHED):  # one request leases limits ahead
            await Load(case, servers[case.path], key, options).run_one()
        loads = {case: Load(case, servers[case.path], key, options) for case in cases}
        costs: dict[CpuCase, list[float]] = {case: [] for case in cases}
        for turn in range(options.rounds + 1):  # the first one warms up
            if turn == 1:  # as Serve does once a replica is up
                gc.collect()
                gc.freeze()
            for case, load in loads.items():
                cost = await load.run(await _idle_ms_a_second() if case.spread else 0.0)
                costs[case] += [cost] if turn or case.spread else []
        return [CpuCost(case, tuple(costs[case]), loads[case].writes) for case in cases]


async def _idle_ms_a_second() -> float:
    """The least of some windows: what earlier requests left to be done is in the others."""
    windows = []
    for _ in range(IDLE_WINDOWS):
        began = time.process_time()
        await asyncio.sleep(IDLE_S)
        windows.append(1e3 * (time.process_time() - began) / IDLE_S)
    return min(windows)


def _model(name: str, engine: EchoEngine) -> TextModel:
    card = ModelCard(name, "echo", "echo", "echo-1", CONTEXT_LENGTH, 0)
    limits = Limits(CONTEXT_LENGTH, max_running=SEQUENCES, max_waiting=SEQUENCES)
    return TextModel(engine, ByteTokenizer(), card, limits, SystemClock())


def _forwarded(upstream: str) -> dict[str, Any]:
    """The settings of the model of a provider."""
    model = {"id": "forwarded", "engine": "openai", "source": "echo", "check": False}
    return {**model, "base_url": f"{upstream}/v1"}


def _listener() -> ASGIApp:
    """The layers that Serve puts around each ingress replica's server."""
    app: ASGIApp = _serves
    for layer in middlewares():
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return app


async def _serves(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the request does not go around Serve's wrapper")


async def _answer_bare(scope: Scope, receive: Receive, send: Send) -> None:
    """What `bench path` calls bare ASGI."""
    message = await receive()
    content = json.dumps({"text": json.loads(message["body"])["messages"][0]["content"]}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class Load:
    """Requests of one kind on connections of their own."""

    def __init__(
        self, case: CpuCase, server: InMemoryServer, key: str, options: argparse.Namespace
    ) -> None:
        self._case = case
        self._request = _request(case, key)
        open_at_once = case.connections or options.connections
        self._connections = [server.connect() for _ in range(open_at_once)]
        # Spread streams take seconds each, whatever they cost.
        self._each = 1 if case.spread else max(1, options.requests // open_at_once)
        self._served = 0

    @property
    def writes(self) -> float:
        """Of one response, on average."""
        return sum(each.writes for each in self._connections) / max(1, self._served)

    async def run_one(self) -> None:
        """One request, not measured."""
        await self._send(self._connections[0])

    async def run(self, idle_ms_a_second: float = 0.0) -> float:
        """CPU milliseconds of one request, beyond those of an idle process."""
        runs: list[Awaitable[None]] = [
            self._requests(connection, number)
            for number, connection in enumerate(self._connections)
        ]
        began, began_at = time.process_time(), time.monotonic()
        await asyncio.gather(*runs)
        spent_ms = 1e3 * (time.process_time() - began)
        spent_ms -= idle_ms_a_second * (time.monotonic() - began_at)
        requests = self._each * len(self._connections)
        self._served += requests
        return spent_ms / requests

    async def _requests(self, connection: InMemoryConnection, number: int) -> None:
        if self._case.spread:
            await asyncio.sleep(number / len(self._connections) / PACE)
        for _ in range(self._each):
            await self._send(connection)

    async def _send(self, connection: InMemoryConnection) -> None:
        response = await connection.request(self._request)
        if not response.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"'{self._case.name}': {response[:500]!r}")


def _request(case: CpuCase, key: str) -> bytes:
    body = json.dumps(case.body).encode()
    head = (
        f"POST {case.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n"
        f"x-forwarded-for: 127.0.0.1\r\n{TOKEN_HEADER}: {_PROXY_TOKEN}\r\n{case.headers}\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    sys.exit(main())
