"""`./mobula bench slow-clients`: what others notice of connections that never become requests.

Flows in: a cluster (a private one, the one that runs here, or HAProxy alone). Flows out: the p99 of
an ordinary client at 127.0.0.1 with and without thousands of connections from 127.0.0.2 and on that
send nothing, a byte a second, or headers without end; window after window in turn, in one run.
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from cluster.cli.requirements import MissingRequirement
from cluster.ops.ports import is_free
from cluster.runtime.settings import ROOT
from load_tests.machine import describe_machine

BOUND = 1.5
REQUEST = b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
PATIENCE_S = 30.0
SETTLE_S = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    with _target_port(options) as port:
        report = {**_measure(port, options), "machine": describe_machine()}
    console.print(markdown(report), markup=False, soft_wrap=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if report["failed"] == 0 and report["ratio"] <= options.bound else 1


@contextlib.contextmanager
def _target_port(options: argparse.Namespace) -> Iterator[int]:
    """The port that requests go to."""
    if options.port:
        if is_free(options.port, "127.0.0.1"):
            raise MissingRequirement(f"nothing listens on port {options.port} of 127.0.0.1")
        yield options.port
    elif options.haproxy_alone:
        from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
        from load_tests.benchmarks.common.minimal_server import MinimalServer

        with MinimalServer() as server, HAProxyProcess(server.port) as haproxy:
            yield haproxy.http_port
    else:
        from load_tests.benchmarks.common.local_serve import LocalServe

        with LocalServe() as local:
            local.deploy_mobula()
            yield int(local.url.rpartition(":")[2])


def _measure(port: int, options: argparse.Namespace) -> dict[str, Any]:
    path = options.path.encode()
    asyncio.run(measure_window(port, path, options.rate, min(1.0, options.seconds)))  # warm
    quiet: list[list[float]] = []
    beset: list[list[float]] = []
    samples: list[dict[str, float]] = []
    for _ in range(options.rounds):
        quiet.append(asyncio.run(measure_window(port, path, options.rate, options.seconds)))
        with run_slow_clients(port, options) as counts:
            beset.append(asyncio.run(measure_window(port, path, options.rate, options.seconds)))
        samples.append(counts)
        time.sleep(SETTLE_S)
    without, with_them = sorted(sum(quiet, [])), sorted(sum(beset, []))
    return {
        "benchmark": "slow-clients",
        "connections": options.connections,
        "sources": options.sources,
        "rate": options.rate,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "without": _figures(without),
        "with": _figures(with_them),
        "failed": sum(1 for each in with_them if each == float("inf")),
        "ratio": _quantile(with_them, 0.99) / _quantile(without, 0.99),
        "ratio_of_rounds": [
            _quantile(sorted(b), 0.99) / _quantile(sorted(q), 0.99)
            for q, b in zip(quiet, beset, strict=True)
        ],
        "slow_clients": samples,
    }


async def measure_window(port: int, path: bytes, rate: float, seconds: float) -> list[float]:
    """Milliseconds of each request, begun at `rate` a second whatever the others do, each on a
    connection of its own; infinity for one that failed."""
    loop = asyncio.get_running_loop()
    began, tasks = loop.time(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        tasks.append(asyncio.create_task(_ask(port, REQUEST % path)))
    return list(await asyncio.gather(*tasks))


async def _ask(port: int, request: bytes) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return float("inf")
    return (loop.time() - began) * 1000 if answer.startswith(b"HTTP/1.1 200") else float("inf")


@contextlib.contextmanager
def run_slow_clients(port: int, options: argparse.Namespace) -> Iterator[dict[str, float]]:
    """While it is entered they are there; afterwards the dictionary says how they fared."""
    counts: dict[str, float] = {}
    command = [
        sys.executable,
        "-m",
        "load_tests.benchmarks.faults.slow_clients",
        "--port",
        str(port),
    ]
    command += ["--connections", str(options.connections), "--sources", str(options.sources)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the slow clients did not start")
            yield counts
        finally:
            process.stdin.close()
        counts.update(json.loads(process.stdout.readline()))


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _figures(ordered: Sequence[float]) -> dict[str, float]:
    return {
        "requests": len(ordered),
        "p50_ms": _quantile(ordered, 0.5),
        "p99_ms": _quantile(ordered, 0.99),
        "most_ms": ordered[-1],
    }


def markdown(report: dict[str, Any]) -> str:
    held = [each["held_on_average"] for each in report["slow_clients"]]
    ended = [each["ended_by_server"] for each in report["slow_clients"]]
    lines = [
        f"{report['connections']:,} slow connections from {report['sources']} addresses, "
        f"{median(held):,.0f} of them held on average, {median(ended):,.0f} ended by the server in "
        f"each of {report['rounds']} windows of {report['seconds']:g} s; "
        f"{report['rate']:g} requests/s from 127.0.0.1, each on a new connection:",
        "",
        "| slow clients | requests | p50, ms | p99, ms | most, ms |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {report[name]['requests']:,} | {report[name]['p50_ms']:.2f} "
            f"| {report[name]['p99_ms']:.2f} | {report[name]['most_ms']:.2f} |"
            for name in ("without", "with")
        ),
        "",
        f"p99 with them is {report['ratio']:.2f} times that without (at most {BOUND} is the goal; "
        f"by round: {', '.join(f'{each:.2f}' for each in report['ratio_of_rounds'])}); "
        f"{report['failed']} requests failed.",
    ]
    return "\n".join(lines)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench slow-clients", description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--sources", type=int, default=8, help="addresses from 127.0.0.2 on")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second of others")
    parser.add_argument("--path", default="/version")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bound", type=float, default=BOUND, help="of the ratio, for exit code 0")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--port", type=int, help="of a cluster that runs here [default: its own]")
    target.add_argument("--haproxy-alone", action="store_true", help="before a tiny server")
    parser.add_argument("--json", type=Path, help="write all figures there")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
