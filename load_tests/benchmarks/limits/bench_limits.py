"""`./mobula bench limits`: slots that streams leave behind when they are given up.

One cluster with two ingress replicas and one tenant, whose plan lets so many requests be open at
once. Streams are given up at random moments from many connections, one ingress replica is killed
halfway, and one lease time after the last of them exactly as many slots can be held as the plan
says.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from deployments.contracts.limits import SESSION
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.tenants import create_tenant
from load_tests.benchmarks.limits.aborted_streams import AbortingClient, count_held_slots
from load_tests.machine import describe_machine

LEASE_S = SESSION * 1.0  # of slots, at the limiter's lease time of one second
PATIENCE_S = 4.0  # refusals for so long mean that no slot is free
PACE = 20.0  # tokens/s of a stream
MODEL = {"id": "slow", "engine": "echo", "tokens_per_second": PACE, "num_cpus": 0.1}
BODY = {
    "model": "slow",
    "messages": [{"role": "user", "content": "one two three"}],
    "max_tokens": 8,
}
HELD = {**BODY, "ignore_eos": True, "max_tokens": int(60 * PACE)}


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    with LocalServe() as local:
        console.print("deploying a slow echo model behind two ingress replicas ...")
        _deploy(local, options.slots)

        async def kill() -> None:
            console.print("killing an ingress replica ...")
            await asyncio.to_thread(local.kill_one, "Ingress")

        row = asyncio.run(
            count_leaked_slots(local.url, local.key, options.streams, options.slots, kill)
        )
    _show(row, console)
    report = {"benchmark": "limits", "machine": describe_machine(), **row}
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if row["passed"] else 1


async def count_leaked_slots(
    url: str, admin_key: str, streams: int, slots: int, kill: Callable[[], Awaitable[None]]
) -> dict[str, Any]:
    """Give up streams, `kill` halfway, wait one lease time, and count the slots that are left."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        id = f"leaving-{time.monotonic_ns():x}"
        key = await create_tenant(client, admin_key, id, {"concurrency": {"limit": slots}})
        began = time.monotonic()
        aborts = await AbortingClient(url, key, BODY).abort_many(streams, 2 * slots, kill)
        seconds = time.monotonic() - began
        await asyncio.sleep(LEASE_S)
        client.headers["Authorization"] = f"Bearer {key}"
        held, after_s = await count_held_slots(client, HELD, PATIENCE_S)
    return {
        "streams": asdict(aborts),
        "seconds": seconds,
        "slots": slots,
        "held": held,
        "held_after_s": after_s,
        "passed": held == slots and aborts.streams == streams,
    }


def _deploy(local: LocalServe, slots: int) -> None:
    from graphs.app import build
    from graphs.args import AppArgs

    model = {**MODEL, "max_running": 2 * slots}
    ingress = {"num_cpus": 0.1, "replicas": 2}
    args = {"models": [model], "ingress": ingress, "limiter": {"authority": "embedded"}}
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench limits", description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000, help="how many are given up")
    parser.add_argument("--slots", type=int, default=16, help="requests that may be open at once")
    parser.add_argument("--json", type=Path, help="also write the report here")
    return parser.parse_args(argv)


def _show(row: dict[str, Any], console: Console) -> None:
    table = Table("", "streams", title=f"given up in {row['seconds']:.0f} s")
    for name, count in row["streams"].items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    verdict = "no slot leaked" if row["passed"] else "MISSED"
    console.print(
        f"one lease time later {row['held']} of {row['slots']} slots could be held, "
        f"the last after {row['held_after_s']:.2f} s: {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
