"""`./mobula bench content batch`: a batch over a file while ingress replicas are killed.

A private cluster with the echo engine runs three batches. In the first, the process that works at
it is killed again and again: each `custom_id` must be in the outputs once, and the usage ledger
must have grown by what the lines say that they used. The second runs beside people's calls, whose
p95 is compared with that without a batch; the memory of the process is taken meanwhile. The third
is cancelled: how long that takes, and whether what was done is kept.
"""

import argparse
import asyncio
import json
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.tenants import create_tenant, usage_query
from load_tests.machine import describe_machine

ENDED = ("completed", "failed", "cancelled", "expired")
CHAT = "/v1/chat/completions"
GROWTH_GOAL_MIB, P95_GOAL, CANCEL_GOAL_S = 150.0, 1.10, 2.0
PARTS = ("killed", "people", "cancelled")
POLL_S = 0.2
LONG_NUMBERS = 10  # more bytes of the numbers of the last line than of those of the first
MIB = 1 << 20


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mobula bench content batch", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="this alone; repeatable")
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=200, help="of the second batch's file")
    parser.add_argument("--rate", type=float, default=20.0, help="calls of people a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each of their two phases")
    parser.add_argument("--model", default="echo", help="one that the cluster serves")
    parser.add_argument("--json", type=Path, help="also write the report there")
    options = parser.parse_args(argv)
    with LocalServe() as serve:
        key = serve.deploy_mobula()
        report = asyncio.run(measure(serve, key, options))
    passed = all(part["passed"] for part in report.values())
    Console().print_json(json.dumps(report))
    if options.json:
        row = {"benchmark": "batch", "machine": describe_machine(), **report, "passed": passed}
        options.json.write_text(json.dumps(row, indent=2) + "\n")
    return 0 if passed else 1


@dataclass
class BatchClient:
    """OpenAI's routes of files and batches; calls are repeated while replicas come back.

    It acts for the tenant `tenant`, whose ledger is read with the operator's key.
    """

    http: httpx.AsyncClient
    model: str
    tenant: str
    operator_key: str

    async def send(self, method: str, path: str, **rest: Any) -> httpx.Response:
        async with asyncio.timeout(120):
            while True:
                with suppress(httpx.TransportError):
                    answer = await self.http.request(method, path, **rest)
                    if answer.status_code < 500:
                        return answer.raise_for_status()
                await asyncio.sleep(POLL_S)

    async def start(self, content: bytes) -> str:
        form = {"files": {"file": ("lines.jsonl", content)}, "data": {"purpose": "batch"}}
        file = (await self.send("POST", "/v1/files", **form)).json()["id"]
        body = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"}
        return str((await self.send("POST", "/v1/batches", json=body)).json()["id"])

    async def get(self, batch: str) -> dict[str, Any]:
        return dict((await self.send("GET", f"/v1/batches/{batch}")).json())

    async def ended(self, batch: str) -> dict[str, Any]:
        while (found := await self.get(batch))["status"] not in ENDED:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        return found

    async def outputs(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        lines = []
        for file in (batch["output_file_id"], batch["error_file_id"]):
            if file is not None:
                text = (await self.send("GET", f"/v1/files/{file}/content")).text
                lines += [json.loads(line) for line in text.splitlines()]
        return lines

    async def used(self) -> Counter[str]:
        """Amounts of the model in the ledger, by unit, written by now."""
        query = usage_query(self.tenant) | {"group_by": "model"}
        operator = {"Authorization": f"Bearer {self.operator_key}"}
        answer = await self.send("GET", "/api/v1/usage", params=query, headers=operator)
        units = Counter[str]()
        for row in answer.json()["data"]:
            if row["group"]["model"] == self.model:
                units.update(row["amounts"])
        return units


async def measure(
    serve: LocalServe, key: str, options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    async with httpx.AsyncClient(base_url=serve.url, timeout=60.0) as http:
        # A tenant of its own: calls of others would be entered in the ledger late.
        tenant = f"batch-{secrets.token_hex(4)}"
        own_key = await create_tenant(http, key, tenant, {})
        http.headers["Authorization"] = f"Bearer {own_key}"
        client = BatchClient(http, options.model, tenant, key)
        parts = options.part or PARTS
        report: dict[str, dict[str, Any]] = {}
        if "killed" in parts:
            report["killed"] = await _killed(serve, client, options.lines, options.kills)
        if "people" in parts:
            report["people"] = await _beside_people(serve, client, options)
        if "cancelled" in parts:
            report["cancelled"] = await _cancelled(client, options.lines)
        return report


async def _killed(serve: LocalServe, client: BatchClient, lines: int, kills: int) -> dict[str, Any]:
    before, began = await client.used(), time.monotonic()
    batch = await client.start(_file(client.model, lines, 40))
    done = 0
    for number in range(kills):
        goal = lines * (number + 1) // (kills + 1)
        while (found := await client.get(batch))["status"] not in ENDED:
            if sum(found["request_counts"][each] for each in ("completed", "failed")) >= goal:
                break
            await asyncio.sleep(POLL_S)
        else:
            break
        for pid in serve.replicas("Ingress"):
            with suppress(psutil.Error):
                psutil.Process(pid).send_signal(signal.SIGKILL)
        done += 1
    found = await client.ended(batch)
    seconds = time.monotonic() - began
    outputs = await client.outputs(found)
    names = Counter(line["custom_id"] for line in outputs)
    sums = Counter[str]()
    for line in outputs:
        if (usage := line["response"]["body"].get("usage")) is not None:
            sums["requests"] += 1
            sums["input_tokens"] += usage["prompt_tokens"]
            sums["output_tokens"] += usage["completion_tokens"]
    grown = await client.used()
    grown.subtract(before)
    ledger = {unit: grown[unit] for unit in sums}
    once = len(names) == lines == sum(names.values())
    return {
        "status": found["status"],
        "kills": done,
        "seconds": round(seconds, 1),
        "each_once": once,
        "ledger": ledger,
        "lines": dict(sums),
        "passed": once and ledger == dict(sums) and found["status"] == "completed",
    }


async def _beside_people(
    serve: LocalServe, client: BatchClient, options: argparse.Namespace
) -> dict[str, Any]:
    await asyncio.to_thread(serve.wait_until_healthy, "Ingress")
    alone = await _people(client, options.rate, options.seconds)
    line = options.megabytes * MIB // options.lines - len(_file(client.model, 1, 0)) - LONG_NUMBERS
    content = _file(client.model, options.lines, max(40, line))
    async with _growth(serve) as growth:
        batch = await client.start(content)
        del content
        while (await client.get(batch))["in_progress_at"] is None:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        beside = await _people(client, options.rate, options.seconds)
        done = (await client.get(batch))["request_counts"]["completed"]
        await client.send("POST", f"/v1/batches/{batch}/cancel")
        await client.ended(batch)
    ratio = beside[1] / alone[1]
    return {
        "p50_ms": [round(alone[0], 2), round(beside[0], 2)],
        "p95_ms": [round(alone[1], 2), round(beside[1], 2)],
        "ratio": round(ratio, 3),
        "lines_done": done,
        "memory_growth_mib": round(growth.mib, 1),
        "passed": ratio < P95_GOAL and growth.mib < GROWTH_GOAL_MIB,
    }


async def _cancelled(client: BatchClient, lines: int) -> dict[str, Any]:
    batch = await client.start(_file(client.model, lines, 40))
    while not (await client.get(batch))["request_counts"]["completed"]:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    began = time.monotonic()
    await client.send("POST", f"/v1/batches/{batch}/cancel")
    found = await client.ended(batch)
    seconds = time.monotonic() - began
    kept = len(await client.outputs(found))
    counted = found["request_counts"]["completed"]
    return {
        "status": found["status"],
        "seconds": round(seconds, 2),
        "kept": kept,
        "passed": seconds < CANCEL_GOAL_S + POLL_S and kept == counted > 0,
    }


async def _people(client: BatchClient, rate: float, seconds: float) -> tuple[float, float]:
    """Median and p95 in ms of calls that come at fixed times, each with a prompt of its own."""
    times: list[float] = []

    async def call(number: int) -> None:
        content = f"hello {time.monotonic_ns()} {number}"
        body = {"model": client.model, "messages": [{"role": "user", "content": content}]}
        began = time.monotonic()
        (await client.http.post(CHAT, json=body)).raise_for_status()
        times.append((time.monotonic() - began) * 1e3)

    begin, tasks = time.monotonic(), list[asyncio.Task[None]]()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
        tasks.append(asyncio.create_task(call(number)))
    await asyncio.gather(*tasks)
    times.sort()
    return times[len(times) // 2], times[int(len(times) * 0.95)]


@dataclass
class _Growth:
    """The largest growth of the ingress processes' memory."""

    before: dict[int, int] = field(default_factory=dict)
    mib: float = 0.0

    def look(self, pids: Sequence[int]) -> None:
        for pid in pids:
            with suppress(psutil.Error):
                size = psutil.Process(pid).memory_info().rss
                grown = size - self.before.setdefault(pid, size)
                self.mib = max(self.mib, grown / MIB)


@asynccontextmanager
async def _growth(serve: LocalServe) -> AsyncIterator[_Growth]:
    growth = _Growth()
    pids = serve.replicas("Ingress")
    growth.look(pids)

    async def watch() -> None:
        while True:
            growth.look(pids)
            await asyncio.sleep(POLL_S)

    watching = asyncio.create_task(watch())
    try:
        yield growth
    finally:
        watching.cancel()


def _file(model: str, lines: int, size: int) -> bytes:
    """Calls with prompts of about `size` bytes, each another one."""
    filler = "word " * (size // 5)
    return b"".join(
        json.dumps(
            {
                "custom_id": f"line-{number}",
                "method": "POST",
                "url": CHAT,
                "body": {
                    "model": model,
                    "max_tokens": 8,
                    "messages": [{"role": "user", "content": f"{number} {filler}"}],
                },
            }
        ).encode()
        + b"\n"
        for number in range(lines)
    )


if __name__ == "__main__":
    sys.exit(main())
