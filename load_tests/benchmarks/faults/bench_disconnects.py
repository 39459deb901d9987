"""`./mobula bench disconnects`: how soon an abandoned request ends.

Flows in: a private cluster with a model of 20 tokens a second. Flows out: milliseconds from a
client's disconnect to the end of its request in the ingress, by the access log's own time; half of
the clients stream. Each is a connection of its own that is dropped at a random moment. A request
whose disconnect nobody notices ends by itself, and counts as late; an error is one that no replica
has logged: HAProxy gave it up before a replica had it, as on a machine that is too busy.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.machine import describe_machine

TOKENS_PER_S, TOKENS = 20, 400
LIMIT_MS = 100.0
LEAVES_AFTER_S = (0.3, 0.8)
LOGGED_WITHIN_S = 10.0 + TOKENS / TOKENS_PER_S
HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
    "Content-Type: application/json\r\nX-Request-ID: {id}\r\nContent-Length: {length}\r\n\r\n"
)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse_options(argv)
    with LocalServe() as local:
        key = local.deploy_mobula(tokens_per_second=TOKENS_PER_S)
        left = asyncio.run(abandon_requests(local.url, key, options))
        ends = wait_for_ends(local.home / "logs", left)
    delays = [(at - left[id]) * 1000 for id, at in ends.items()]
    measurements = to_measurements(delays, options.clients)
    Console().print(build_table(measurements))
    passed = all_met(measurements)
    report = {
        "benchmark": "disconnects",
        "machine": describe_machine(),
        "conditions": {"clients": options.clients, "at_once": options.at_once},
        "measurements": [each.to_dict() for each in measurements],
        "passed": passed,
    }
    return finish_benchmark(report, passed, options)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench disconnects", description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000, help="requests that are abandoned")
    parser.add_argument("--at-once", type=int, default=16, help="of them at a time")
    parser.add_argument("--model", default="echo", help="a model of 20 tokens a second or fewer")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


async def abandon_requests(url: str, key: str, options: argparse.Namespace) -> dict[str, float]:
    """When the client of each request left, in Unix seconds, by the request's id."""
    dice, door = random.Random(1), asyncio.Semaphore(options.at_once)
    left: dict[str, float] = {}
    run = f"{time.time_ns():x}"

    async def abandon(number: int) -> None:
        id = f"left-{run}-{number}"
        async with door:
            left[id] = await _abandon(url, key, id, options.model, number, dice)

    await asyncio.gather(*(abandon(number) for number in range(options.clients)))
    return left


async def _abandon(
    url: str, key: str, id: str, model: str, number: int, dice: random.Random
) -> float:
    """Returns when the connection was dropped, in Unix seconds."""
    host, _, port = url.removeprefix("http://").partition(":")
    words = " ".join(f"word{number}-{place}" for place in range(100))
    message = {"role": "user", "content": words}
    options = {"max_tokens": TOKENS, "temperature": 1, "stream": number % 2 == 0}
    body = json.dumps({"model": model, "messages": [message], "ignore_eos": True, **options})
    head = HEAD.format(host=host, key=key, id=id, length=len(body))
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write((head + body).encode())
    await writer.drain()
    await asyncio.sleep(dice.uniform(*LEAVES_AFTER_S))
    at = time.time()
    writer.transport.abort()
    return at


def wait_for_ends(logs: Path, left: Mapping[str, float]) -> dict[str, float]:
    """What `read_ends` finds, once it has all of them or LOGGED_WITHIN_S are over."""
    until = time.monotonic() + LOGGED_WITHIN_S
    while len(ends := read_ends(logs, left)) < len(left) and time.monotonic() < until:
        time.sleep(0.1)
    return ends


def read_ends(logs: Path, left: Mapping[str, float]) -> dict[str, float]:
    """When requests with these ids ended, in Unix seconds, by the access logs of `logs`."""
    ends: dict[str, float] = {}
    for file in logs.glob("access-*.jsonl"):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if entry.get("request_id") in left:
                ends[entry["request_id"]] = float(entry["ts"])
    return ends


def to_measurements(delays: Sequence[float], clients: int) -> list[Measurement]:
    ordered = sorted(delays) or [float("inf")]
    in_time = sum(each <= LIMIT_MS for each in delays)
    part = "disconnects"
    return [
        Measurement(part, f"ended within {LIMIT_MS:g} ms", in_time, at_least=clients),
        Measurement(part, "p50", ordered[len(ordered) // 2], "ms"),
        Measurement(part, "p99", ordered[int(len(ordered) * 0.99)], "ms"),
        Measurement(part, "slowest", ordered[-1], "ms"),
        Measurement(part, "errors", clients - len(delays), at_most=0),
    ]


if __name__ == "__main__":
    sys.exit(main())
