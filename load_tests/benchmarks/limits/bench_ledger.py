"""`./mobula bench ledger`: whether the ledger is what was generated, to the token.

Mixed requests over HTTP: whole and streamed, with stop strings and without, several choices, equal
requests at the same time, clients that leave before the answer or in its middle, and deadlines. The
application runs in this process over echo engines that are counted one by one (ledger_application).
What the ledger and the budget say in the end must be what is expected: for an answer the tokens up
to its stop string, for a request that was given up what its engine had generated, and its prompt
once the engine has begun. Each request has its kind as a tag: the ledger's sums by tag must be what
is expected of each kind, and those by provider its total.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from cluster.tenants.price_list import LOCAL
from deployments.ingress.http.usage_tags import USAGE_TAGS
from load_tests.benchmarks.limits.ledger_application import CountedApplication, counted_application
from load_tests.machine import describe_machine

PACE = 100.0  # tokens/s of a sequence of the model "paced"
MODELS = {"instant": None, "paced": PACE}
CLIENTS = 64
_TEXT = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True)
class PlannedRequest:
    """One request. `leave_after_s`: when its client goes, None if it stays to the end. `output`:
    tokens that an answer costs, where the engine may generate more than that.
    """

    id: str
    kind: str
    body: dict[str, Any]
    leave_after_s: float | None = None
    deadline_s: float | None = None
    output: int | None = None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mobula bench ledger", description=__doc__)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the report there")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        row = asyncio.run(compare_ledger(Path(folder) / "home", options.requests, options.seed))
    _show(row, Console())
    report = {"benchmark": "ledger", "machine": describe_machine(), **row}
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if row["passed"] else 1


async def compare_ledger(home: Path, requests: int, seed: int) -> dict[str, Any]:
    """Send so many requests; what was expected, and what ledger and budget say."""
    planned = plan_requests(requests, seed)
    began = time.monotonic()
    async with counted_application(home, MODELS) as application:
        outcomes = await _sent(application, planned)
        ledger = await application.ledger()
        budget = await application.budget()
        by_tag = await application.ledger_by("tag")
        by_provider = await application.ledger_by("provider")
        expected_by_tag = _expected(application, planned)
    expected = _sum(expected_by_tag.values())
    generated = sum(count.tokens for count in application.counts.values())
    return {
        "requests": requests,
        "seconds": round(time.monotonic() - began, 1),
        "kinds": dict(Counter(request.kind for request in planned)),
        "outcomes": dict(outcomes),
        "generated_by_engines": generated,
        "expected": {"input": expected[0], "output": expected[1]},
        "ledger": {"input": ledger[0], "output": ledger[1]},
        "by_tag_is_exact": by_tag == expected_by_tag,
        "by_provider_is_exact": by_provider == {LOCAL: expected},
        "budget": budget,
        "passed": ledger == expected
        and budget == sum(expected)
        and by_tag == expected_by_tag
        and by_provider == {LOCAL: expected},
    }


def plan_requests(requests: int, seed: int) -> list[PlannedRequest]:
    """The requests of a run, the same for the same seed."""
    dice = random.Random(seed)
    kinds = (_unary, _streamed, _stopped, _stopped_midway, _abandoned, _abandoned, _late, _twins)
    planned: list[PlannedRequest] = []
    while len(planned) < requests:
        planned += dice.choice(kinds)(dice, len(planned))
    return planned[:requests]


def _body(dice: random.Random, number: int, **fields: Any) -> dict[str, Any]:
    text = f"request {number} says " + "".join(dice.choices(_TEXT, k=dice.randrange(5, 40)))
    chat = [{"role": "user", "content": text}]
    return {"model": "instant", "messages": chat, "temperature": 0.7, **fields}


def _unary(dice: random.Random, number: int) -> list[PlannedRequest]:
    body = _body(dice, number, n=dice.randrange(1, 4), max_tokens=dice.randrange(1, 60))
    return [PlannedRequest(f"whole-{number:06}", "whole", body)]


def _streamed(dice: random.Random, number: int) -> list[PlannedRequest]:
    body = _body(dice, number, model="paced", stream=True, max_tokens=dice.randrange(1, 30))
    return [PlannedRequest(f"streamed-{number:06}", "streamed", body)]


def _stopped(dice: random.Random, number: int) -> list[PlannedRequest]:
    """The engine generates the whole text at once, and far beyond the stop string."""
    body = _body(dice, number, stream=dice.random() < 0.5, ignore_eos=True, max_tokens=400)
    text = body["messages"][0]["content"]
    at = dice.randrange(3, len(text) - 4)
    stop = text[at : at + dice.randrange(1, 4)]
    output = text.index(stop) + len(stop)
    return [PlannedRequest(f"stopped-{number:06}", "stop", {**body, "stop": [stop]}, output=output)]


def _stopped_midway(dice: random.Random, number: int) -> list[PlannedRequest]:
    [request] = _stopped(dice, number)
    body = {**request.body, "model": "paced"}
    leave = dice.random() * 0.1
    return [PlannedRequest(f"midway-{number:06}", "stop and disconnect", body, leave, output=None)]


def _abandoned(dice: random.Random, number: int) -> list[PlannedRequest]:
    fields = {"model": "paced", "ignore_eos": True, "max_tokens": 300, "n": dice.randrange(1, 3)}
    body = _body(dice, number, stream=dice.random() < 0.4, **fields)
    return [PlannedRequest(f"abandoned-{number:06}", "disconnect", body, dice.random() * 0.3)]


def _late(dice: random.Random, number: int) -> list[PlannedRequest]:
    fields = {"model": "paced", "ignore_eos": True, "max_tokens": 300}
    body = _body(dice, number, stream=dice.random() < 0.3, **fields)
    deadline_s = 0.02 + dice.random() * 0.2
    return [PlannedRequest(f"late-{number:06}", "deadline", body, deadline_s=deadline_s)]


def _twins(dice: random.Random, number: int) -> list[PlannedRequest]:
    """Equal greedy requests at the same time are computed once, and charged once."""
    body = _body(dice, number, model="paced", max_tokens=20, temperature=0)
    return [PlannedRequest(f"twin-{number:06}-{i}", "equal", body) for i in range(2)]


async def _sent(application: CountedApplication, planned: Sequence[PlannedRequest]) -> Counter[str]:
    """Send them all from some clients at once; how they ended, by kind."""
    outcomes: Counter[str] = Counter()
    waiting = iter(planned)
    headers = {"Authorization": f"Bearer {application.key}"}
    limits = httpx.Limits(max_connections=None)

    async def work(client: httpx.AsyncClient) -> None:
        for request in waiting:
            outcomes[f"{request.kind}: {await _one(client, request)}"] += 1

    async with httpx.AsyncClient(
        base_url=application.url, headers=headers, limits=limits, timeout=60
    ) as client:
        await asyncio.gather(*(work(client) for _ in range(CLIENTS)))
    return outcomes


async def _one(client: httpx.AsyncClient, request: PlannedRequest) -> str:
    """Answered, left by its client, or the status of its refusal."""
    headers = {"X-Request-ID": request.id, USAGE_TAGS: _tag(request)}
    if request.deadline_s is not None:
        headers["Mobula-Timeout"] = f"{request.deadline_s:.3f}"
    try:
        async with asyncio.timeout(request.leave_after_s):
            answer = await client.post("/v1/chat/completions", json=request.body, headers=headers)
    except TimeoutError:
        return "left"
    except httpx.TransportError as error:
        return type(error).__name__
    if answer.status_code != httpx.codes.OK:
        return str(answer.status_code)
    return "broken off" if b'"error"' in answer.content else "answered"


def _tag(request: PlannedRequest) -> str:
    return request.kind.replace(" ", "-")


def _expected(
    application: CountedApplication, planned: Sequence[PlannedRequest]
) -> dict[str, tuple[int, int]]:
    """(input, output) tokens by tag, by what the engines have generated for each request."""
    requests = {request.id: request for request in planned}
    expected: dict[str, tuple[int, int]] = {}
    for id, count in application.counts.items():
        request = requests[id]
        output = count.tokens if request.output is None else request.output
        if count.prompt_tokens or output:
            tag = _tag(request)
            expected[tag] = _sum((expected.get(tag, (0, 0)), (count.prompt_tokens, output)))
    return expected


def _sum(amounts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    prompts, outputs = 0, 0
    for prompt, output in amounts:
        prompts, outputs = prompts + prompt, outputs + output
    return prompts, outputs


def _show(row: dict[str, Any], console: Console) -> None:
    table = Table("", "input tokens", "output tokens", title=f"{row['requests']} requests")
    for name in ("expected", "ledger"):
        table.add_row(name, str(row[name]["input"]), str(row[name]["output"]))
    console.print(table)
    console.print(f"budget: {row['budget']} tokens spent; engines: {row['generated_by_engines']}")
    for outcome, count in sorted(row["outcomes"].items()):
        console.print(f"  {count:6} {outcome}")
    for dimension in ("tag", "provider"):
        exact = row[f"by_{dimension}_is_exact"]
        console.print(f"sums by {dimension}: {'exact' if exact else '[red]wrong[/red]'}")
    console.print("exact" if row["passed"] else "[red]the ledger is not what was generated[/red]")


if __name__ == "__main__":
    sys.exit(main())
