"""`./mobula bench stream`: how much of the engine's speed reaches an HTTP client that streams.

The openvino engine alone (its tokens thrown away) and the same engine behind the whole path (HTTP,
authentication, SSE), in turn, round after round, at the same concurrency with the same prompt and
length. What counts is the ratio of medians.

How requests arrive matters to the engine itself: when all start together and have equal lengths,
all prompts are read in the same few steps and every other step is full; clients on a network do
not come in lockstep. So the engine alone is measured both ways, and the target compares like with
like: arrivals spread over time.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.contracts.engine import TokenRequest
from deployments.contracts.generation import Message
from deployments.model.loading import load_text_model
from deployments.model.model_files import find_model
from deployments.model.spec import ModelSpec
from deployments.model.text.hf_tokenizer import TextTokenizer
from deployments.model.text.text_model import TextModel
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import finish_benchmark
from load_tests.benchmarks.common.wrk import WrkResult, require_wrk, run_wrk
from load_tests.machine import describe_machine

PROMPT = "Write an Instagram caption about a rooftop coffee bar with a view of the harbour"
MODEL = {"id": "nano", "engine": "openvino", "source": "nano"}
TARGET = 0.85
SPREAD_S = 0.4  # longer than one answer takes: clients stay out of step
SETTLE_S = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    require_wrk()
    with LocalServe() as local, tempfile.TemporaryDirectory() as scratch:
        console.print("deploying the nano model behind the whole path ...")
        key = local.deploy_mobula(**MODEL)
        speeds = asyncio.run(_measure(local.url, key, options, Path(scratch), console))
    report = _report(speeds, options)
    table = Table("", "tokens/s", title=f"{options.connections} streams, {options.tokens} tokens")
    table.add_row("engine alone, arrivals spread", f"{report['engine_tokens_s']:,.0f}")
    table.add_row("engine alone, in lockstep", f"{report['engine_lockstep_tokens_s']:,.0f}")
    table.add_row("through HTTP and SSE", f"{report['http_tokens_s']:,.0f}")
    table.add_row("HTTP / alone, arrivals spread", f"{report['ratio']:.2f}")
    table.add_row("HTTP / alone, in lockstep", f"{report['ratio_to_lockstep']:.2f}")
    console.print(table)
    console.print(f"target {TARGET}: {'met' if report['passed'] else 'MISSED'}")
    return finish_benchmark(report, bool(report["passed"]), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench stream", description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64, help="length of each answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=12.0, help="length of one measurement")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if the target is missed")
    return parser.parse_args(argv)


@dataclass
class Speeds:
    """Tokens/s of each round."""

    lockstep: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    http: list[float] = field(default_factory=list)
    errors: int = 0


async def _measure(
    url: str, key: str, options: argparse.Namespace, scratch: Path, console: Console
) -> Speeds:
    model = await load_text_model(ModelSpec.model_validate(MODEL), Settings().home, SystemClock())
    speeds = Speeds()
    try:
        for turn in range(options.rounds + 1):  # the first warms up
            lockstep = await _alone(model, options, 0.0)
            spread = await _alone(model, options, SPREAD_S)
            load = await asyncio.to_thread(_through_http, url, key, options, scratch)
            if turn:
                speeds.lockstep.append(lockstep)
                speeds.spread.append(spread)
                speeds.http.append(load.requests_s * options.tokens)
                speeds.errors += load.errors
                console.print(f"round {turn} of {options.rounds} done")
    finally:
        await model.close()
    return speeds


def _through_http(url: str, key: str, options: argparse.Namespace, scratch: Path) -> WrkResult:
    body = {
        "model": "nano",
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": options.tokens,
        "ignore_eos": True,
        "stream": True,
    }
    return run_wrk(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        connections=options.connections,
        seconds=options.seconds,
        scratch=scratch,
    )


async def _alone(model: TextModel, options: argparse.Namespace, spread_s: float) -> float:
    """Tokens/s of the bare engine in a closed loop, once all clients have started."""
    files = find_model(ModelSpec.model_validate(MODEL))
    prompt = tuple(TextTokenizer(files.folder).encode_chat([Message("user", PROMPT)]))
    begin = time.perf_counter() + SETTLE_S
    end = begin + options.seconds
    done = 0

    async def client(number: int) -> None:
        nonlocal done
        await asyncio.sleep(number * spread_s / options.connections)
        while time.perf_counter() < end:
            request = TokenRequest(
                request_id=f"{number}-{time.perf_counter_ns()}",
                prompt_ids=prompt,
                max_tokens=options.tokens,
                stop_ids=frozenset(),
                interval_s=float("inf"),  # whole answers: the engine at its fastest
            )
            async with aclosing(model.engine.generate(request)) as batches:
                async for tokens in batches:
                    if begin <= time.perf_counter() < end:
                        done += len(tokens.ids)

    await asyncio.gather(*(client(number) for number in range(options.connections)))
    return done / options.seconds


def _report(speeds: Speeds, options: argparse.Namespace) -> dict[str, Any]:
    spread, http = statistics.median(speeds.spread), statistics.median(speeds.http)
    lockstep = statistics.median(speeds.lockstep)
    return {
        "benchmark": "stream",
        "machine": describe_machine(),
        "conditions": {
            "connections": options.connections,
            "tokens": options.tokens,
            "rounds": options.rounds,
            "seconds": options.seconds,
        },
        "engine_tokens_s": spread,
        "engine_lockstep_tokens_s": lockstep,
        "http_tokens_s": http,
        "ratio": http / spread,
        "ratio_to_lockstep": http / lockstep,
        "errors": speeds.errors,
        "passed": http / spread >= TARGET and speeds.errors == 0,
        "rounds": asdict(speeds),
    }


if __name__ == "__main__":
    sys.exit(main())
