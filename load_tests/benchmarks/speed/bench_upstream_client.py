"""`./mobula bench upstream-client`: CPU time of a call of a provider, by HTTP client.

In: a mock upstream in a process of its own. Out: CPU microseconds of this process for each answer
and each stream, of Mobula's HTTP client (deployments/providers/http) beside aiohttp and httpx, and
of a whole call of a provider's model over it. The ingress calls providers in its own process, whose
CPU time bounds its requests/s.
"""

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from cluster.runtime.clock import SystemClock
from cluster.tenants.caller import Caller
from deployments.contracts.generation import GenerateRequest, Message, Sampling
from deployments.providers.config import ProvidersConfig
from deployments.providers.http.egress import Egress, parse_endpoint
from deployments.providers.http.limits import HttpLimits
from deployments.providers.http.pool import ConnectionPool
from deployments.providers.provider_model import ProviderModel
from deployments.providers.services import Providers
from load_tests.benchmarks.common.free_port import free_port
from load_tests.benchmarks.common.measurement import figure_key, finish_benchmark
from load_tests.machine import describe_machine

TOKENS = 50
PROMPT = " ".join(f"word{i}" for i in range(50))
HOST, PATH = "127.0.0.1", "/v1/chat/completions"
HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}
_LIMIT = 32 << 20
_TIMEOUT_S = 60.0
_START_S = 15.0

Call = Callable[[bool], Awaitable[None]]  # whether it streams


@dataclass(frozen=True)
class ClientCost:
    """CPU microseconds of one exchange: the median of the rounds."""

    key: str
    client: str
    exchange: str
    connections: int
    cpu_us: float


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse_options(argv)
    with _upstream() as port:
        rows = uvloop.run(_measure_all(port, options))
    report = {
        "benchmark": "upstream-client",
        "machine": describe_machine(),
        "conditions": {"requests": options.requests, "rounds": options.rounds},
        "rows": [asdict(row) for row in rows],
    }
    _show(rows)
    return finish_benchmark(report, True, options)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench upstream-client", description=__doc__)
    parser.add_argument("--requests", type=int, default=2_000, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each row, in turn")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


async def _measure_all(port: int, options: argparse.Namespace) -> list[ClientCost]:
    async with _clients(port) as clients:
        kinds = [(streams, many) for streams in (False, True) for many in (1, 16)]
        costs: dict[tuple[str, bool, int], list[float]] = {}
        for _ in range(options.rounds):
            for streams, many in kinds:
                requests = max(many, options.requests // (10 if streams else 1))
                for name, call in clients.items():
                    cpu_us = await _cpu_us(call, streams, many, requests)
                    costs.setdefault((name, streams, many), []).append(cpu_us)
    return [
        ClientCost(
            figure_key("upstream-client", name, "stream" if streams else "answer", str(many)),
            name,
            f"stream of {TOKENS}" if streams else "answer",
            many,
            round(statistics.median(values), 1),
        )
        for (name, streams, many), values in costs.items()
    ]


async def _cpu_us(call: Call, streams: bool, connections: int, requests: int) -> float:
    """Of this process, for one of `requests` exchanges."""
    each = requests // connections

    async def client() -> None:
        for _ in range(each):
            await call(streams)

    await call(streams)  # warm up
    began = time.process_time()
    await asyncio.gather(*[client() for _ in range(connections)])
    return 1e6 * (time.process_time() - began) / (each * connections)


@contextmanager
def _upstream() -> Iterator[int]:
    """The mock that `bench compare` puts behind gateways; its port."""
    port = free_port()
    module = "load_tests.benchmarks.speed.compare.echo_server"
    command = [sys.executable, "-m", module, "--port", str(port), "--pause", "0"]
    process = subprocess.Popen(command)
    try:
        until = time.monotonic() + _START_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the mock upstream does not start")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@asynccontextmanager
async def _clients(port: int) -> AsyncIterator[dict[str, Call]]:
    import aiohttp
    import httpx

    config = {"id": "echo", "engine": "openai", "base_url": f"http://{HOST}:{port}/v1"}
    providers = Providers(ProvidersConfig((config,), (), (HOST,)), {}, SystemClock())
    endpoint = parse_endpoint(f"http://{HOST}:{port}", (HOST,))
    pool = ConnectionPool(Egress((HOST,)), endpoint, HttpLimits())
    async with aiohttp.ClientSession() as session, httpx.AsyncClient() as client:
        yield {
            "httptools": partial(_by_httptools, pool),
            "aiohttp": partial(_by_aiohttp, session, f"http://{HOST}:{port}{PATH}"),
            "httpx": partial(_by_httpx, client, f"http://{HOST}:{port}{PATH}"),
            "whole call": partial(_whole_call, providers.models["echo"]),
        }
    pool.close()
    await providers.close()


async def _by_httptools(pool: ConnectionPool, streams: bool) -> None:
    body = _body(streams)
    head = f"POST {PATH} HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {len(body)}\r\n\r\n"
    until = asyncio.get_running_loop().time() + _TIMEOUT_S
    connection, exchange = await pool.send(head.encode() + body, _LIMIT, until, _TIMEOUT_S)
    while not exchange.ended:
        await exchange.piece(until)
    pool.release(connection, exchange)


async def _by_aiohttp(session: Any, url: str, streams: bool) -> None:
    async with session.post(url, data=_body(streams), headers=HEADERS) as answer:
        if not streams:
            await answer.read()
            return
        async for _ in answer.content.iter_any():
            pass


async def _by_httpx(client: Any, url: str, streams: bool) -> None:
    async with client.stream("POST", url, content=_body(streams), headers=HEADERS) as answer:
        async for _ in answer.aiter_raw():
            pass


async def _whole_call(model: ProviderModel, streams: bool) -> None:
    request = _request()
    if not streams:
        await model.generate(request)
        return
    async for _ in model.stream(request):
        pass


def _body(streams: bool) -> bytes:
    message = {"role": "user", "content": PROMPT}
    body = {"model": "echo", "messages": [message], "max_tokens": TOKENS, "stream": streams}
    return orjson.dumps(body)


def _request() -> GenerateRequest:
    return GenerateRequest(
        request_id="r",
        caller=Caller("bench", "key", frozenset()),
        model="echo",
        sampling=Sampling(max_tokens=TOKENS),
        messages=(Message("user", PROMPT),),
    )


def _show(rows: Sequence[ClientCost]) -> None:
    table = Table("client", "exchange", "connections", "CPU us")
    for row in rows:
        table.add_row(row.client, row.exchange, str(row.connections), f"{row.cpu_us:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
