"""`./mobula bench doors`: how much of our own code one chat request passes.

Counted in this process, without Ray: the whole application with tenancy and the memory cache, and
an echo model behind it. The plan is the shipped one, without limits; `--limits` adds limits of
every kind. Each row is one request, after requests of the same kind have warmed everything up; the
one of `--rounds` with the fewest calls counts. Files, functions and calls are those of cluster/,
deployments/ and graphs/; a change of file is a call into another file than the call before.
Comprehensions and resumed coroutines are no calls.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from starlette.types import ASGIApp, Message, Scope

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import ROOT, Settings
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.model.engines.echo import EchoEngine
from load_tests.benchmarks.common.in_process_application import create_echo_model, start_application
from load_tests.benchmarks.common.tenants import EVERY_LIMIT, create_tenant
from load_tests.benchmarks.speed.call_counter import CallCounter, profile_calls
from load_tests.machine import describe_machine

FOLDERS = tuple(ROOT / name for name in ("cluster", "deployments", "graphs"))
ROUTE = "/v1/chat/completions"
WARM_UPS = 3
AFTERWARDS_S = 1.0  # for tasks that a request began and that outlast its response


@dataclass(frozen=True)
class ChatCase:
    """One kind of request. `max_files` and `max_calls` are the goals; None: no goal."""

    name: str
    max_files: int | None = None
    max_calls: int | None = None


UNCACHEABLE = ChatCase("chat, not cacheable", 40, 140)
MISS = ChatCase("chat, temperature 0, miss", 50, 250)
APPLICATION_HIT = ChatCase("chat, hit through the application")
FAST_HIT = ChatCase("chat, hit by the fast path (same bytes)", 25)
CASES = (UNCACHEABLE, MISS, APPLICATION_HIT, FAST_HIT)


@dataclass(frozen=True)
class CallCounts:
    """What one request passed; `files` are in the order in which they were entered first."""

    case: ChatCase
    files: tuple[str, ...]
    functions: int
    calls: int
    file_changes: int

    @property
    def passed(self) -> bool:
        case = self.case
        few_files = case.max_files is None or len(self.files) <= case.max_files
        return few_files and (case.max_calls is None or self.calls <= case.max_calls)

    @property
    def goal(self) -> str:
        goals = ((self.case.max_files, "files"), (self.case.max_calls, "calls"))
        return ", ".join(f"<= {limit} {unit}" for limit, unit in goals if limit is not None)

    def to_dict(self) -> dict[str, object]:
        return {
            "request": self.case.name,
            "files": len(self.files),
            "functions": self.functions,
            "calls": self.calls,
            "file_changes": self.file_changes,
            "goal": self.goal,
            "passed": self.passed,
            "file_list": self.files,
        }


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse_options(argv)
    console = Console()
    with tempfile.TemporaryDirectory() as home:
        rows = asyncio.run(measure(Path(home), options.rounds, limits=options.limits))
    _print(rows, console, list_files=options.list)
    passed = all(row.passed for row in rows)
    if options.json:
        report = {
            "benchmark": "doors",
            "machine": describe_machine(),
            "conditions": {"rounds": options.rounds, "limits": options.limits},
            "rows": [row.to_dict() for row in rows],
            "passed": passed,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if passed or not options.check else 1


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench doors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="requests of each kind")
    parser.add_argument("--limits", action="store_true", help="a plan with every kind of limit")
    parser.add_argument("--list", action="store_true", help="also print the files, as entered")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a goal is missed")
    return parser.parse_args(argv)


class ChatClient:
    """Sends whole bodies straight to an ASGI application, as uvicorn does."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def send(self, body: bytes, *, expect: str) -> None:
        """Raises RuntimeError for a refusal, and where `Cache-Status` has no word of `expect`.

        Returns when the tasks that the request began have ended too, or after a second.
        """
        messages: list[Message] = []
        requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if not requests:  # the client stays connected
                await asyncio.get_running_loop().create_future()
            return requests.pop()

        async def send(message: Message) -> None:
            messages.append(message)

        before = asyncio.all_tasks()
        await self._app(self._scope(body), receive, send)
        if begun := asyncio.all_tasks() - before:
            await asyncio.wait(begun, timeout=AFTERWARDS_S)
        status = messages[0]["status"]
        cache_status = dict(messages[0]["headers"]).get(b"cache-status", b"").decode()
        if status != HTTPStatus.OK or expect not in cache_status:
            raise RuntimeError(f"expected 200 and {expect!r}, not {status} and {cache_status!r}")

    def _scope(self, body: bytes) -> Scope:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": ROUTE,
            "raw_path": ROUTE.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1"),
                (b"authorization", b"Bearer " + self._key),
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8_000),
        }


async def measure(home: Path, rounds: int, *, limits: bool = False) -> list[CallCounts]:
    """One row for each case; of its rounds the one with the fewest calls."""
    settings, clock = Settings(home=home, log_level="ERROR"), SystemClock()
    admin_key = bootstrap(home, settings)
    assert admin_key is not None
    tenancy = TenantServices(settings, MemoryAuthority(clock), {}, clock)
    models = {"echo": create_echo_model("echo", EchoEngine(4))}
    with profile_calls():
        async with start_application(settings, tenancy, models, clock) as application:
            transport = httpx.ASGITransport(application.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://mobula") as http:
                key = await create_tenant(http, admin_key, "doors", EVERY_LIMIT if limits else {})
            client = ChatClient(application.app, key)
            return [await _measure_case(client, case, rounds) for case in CASES]


async def _measure_case(client: ChatClient, case: ChatCase, rounds: int) -> CallCounts:
    rows = []
    for number in range(WARM_UPS + rounds):
        prompt = f"{case.name} {number}"
        if case in (APPLICATION_HIT, FAST_HIT):
            await client.send(_body(prompt), expect="fwd=miss")
        if case is FAST_HIT:
            await client.send(_body(prompt), expect="hit")
        row = await _count(client, case, prompt)
        if number >= WARM_UPS:
            rows.append(row)
    return min(rows, key=lambda row: row.calls)


async def _count(client: ChatClient, case: ChatCase, prompt: str) -> CallCounts:
    body = _body(prompt)
    if case is UNCACHEABLE:
        body, expect = _body(prompt, temperature=1), "fwd=bypass"
    elif case is MISS:
        expect = "fwd=miss"
    else:
        expect = "hit"
    if case is APPLICATION_HIT:
        body = body.replace(b"{", b"{ ", 1)  # the same request, in bytes that are new
    counter = CallCounter(FOLDERS)
    with counter.count():
        await client.send(body, expect=expect)
    files = tuple(str(Path(file).relative_to(ROOT)) for file in counter.files)
    return CallCounts(case, files, len(counter.functions), counter.calls, counter.file_changes)


def _body(prompt: str, temperature: float = 0) -> bytes:
    request: dict[str, Any] = {
        "model": "echo",
        "messages": [{"role": "user", "content": prompt}],
        "temperature": temperature,
    }
    return json.dumps(request).encode()


def _print(rows: Sequence[CallCounts], console: Console, *, list_files: bool) -> None:
    table = Table("request", "files", "functions", "calls", "changes of file", "goal", "")
    for row in rows:
        counts = (len(row.files), row.functions, row.calls, row.file_changes)
        verdict = ("met" if row.passed else "MISSED") if row.goal else ""
        table.add_row(row.case.name, *map(str, counts), row.goal, verdict)
    console.print(table)
    for row in rows if list_files else ():
        console.print(f"\n{row.case.name}:", markup=False, highlight=False)
        for file in row.files:
            console.print(f"  {file}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
