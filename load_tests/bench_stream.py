"""`./mobula bench stream`: how much of the engine's speed reaches an HTTP client that streams.

The openvino engine alone (in this process, its tokens thrown away) and the same engine behind the
whole path (HTTP, authentication, SSE), in turn, round after round, at the same concurrency with
the same prompt and length. What counts is the ratio of medians.
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
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cluster.clock import SystemClock
from cluster.settings import Settings
from deployments.contracts.engine import TokenRequest
from deployments.contracts.generation import Message
from deployments.model.catalog import find_model
from deployments.model.loading import load_text_model
from deployments.model.spec import ModelSpec
from deployments.model.text import TextModel
from deployments.model.tokenizer import TextTokenizer
from load_tests.local_serve import LocalServe
from load_tests.machine import describe_machine
from load_tests.wrk import Load, require_wrk, run_wrk

PROMPT = "Write an Instagram caption about a rooftop coffee bar with a view of the harbour"
MODEL = {"id": "nano", "engine": "openvino", "source": "nano"}
TARGET = 0.85


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    require_wrk()
    with LocalServe() as local, tempfile.TemporaryDirectory() as scratch:
        console.print("deploying the nano model behind the whole path ...")
        key = local.deploy_mobula(**MODEL)
        alone, http = asyncio.run(_measure(local.url, key, options, Path(scratch), console))
    report = _report(alone, http, options)
    table = Table("", "tokens/s", title=f"{options.connections} streams, {options.tokens} tokens")
    table.add_row("engine alone", f"{report['engine_tokens_s']:,.0f}")
    table.add_row("through HTTP and SSE", f"{report['http_tokens_s']:,.0f}")
    table.add_row("ratio", f"{report['ratio']:.2f}")
    console.print(table)
    console.print(f"target {TARGET}: {'met' if report['passed'] else 'MISSED'}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if report["passed"] or not options.check else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench stream", description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64, help="length of each answer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if the target is missed")
    return parser.parse_args(argv)


async def _measure(
    url: str, key: str, options: argparse.Namespace, scratch: Path, console: Console
) -> tuple[list[float], list[Load]]:
    model = await load_text_model(ModelSpec.model_validate(MODEL), Settings().home, SystemClock())
    body = json.dumps(
        {
            "model": "nano",
            "messages": [{"role": "user", "content": PROMPT}],
            "max_tokens": options.tokens,
            "ignore_eos": True,
            "stream": True,
        }
    ).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    alone: list[float] = []
    http: list[Load] = []
    try:
        for turn in range(options.rounds + 1):  # the first warms up
            speed = await _alone(model, options)
            load = await asyncio.to_thread(
                run_wrk,
                f"{url}/v1/chat/completions",
                body,
                headers,
                connections=options.connections,
                seconds=options.seconds,
                scratch=scratch,
            )
            if turn:
                alone.append(speed)
                http.append(load)
                console.print(f"round {turn} of {options.rounds} done")
    finally:
        await model.close()
    return alone, http


async def _alone(model: TextModel, options: argparse.Namespace) -> float:
    """Tokens/s of the bare engine, closed loop, for the time of one measurement."""
    files = find_model(ModelSpec.model_validate(MODEL))
    prompt = tuple(TextTokenizer(files.folder).encode_chat([Message("user", PROMPT)]))
    until = time.perf_counter() + options.seconds
    done = 0

    async def client(number: int) -> None:
        nonlocal done
        while time.perf_counter() < until:
            request = TokenRequest(
                request_id=f"{number}-{time.perf_counter_ns()}",
                prompt_ids=prompt,
                max_tokens=options.tokens,
                stop_ids=frozenset(),
                interval_s=float("inf"),  # whole answers: the engine at its fastest
            )
            async with aclosing(model.engine.generate(request)) as batches:
                async for tokens in batches:
                    done += len(tokens.ids)

    started = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(options.connections)))
    return done / (time.perf_counter() - started)


def _report(alone: list[float], http: list[Load], options: argparse.Namespace) -> dict[str, object]:
    engine = statistics.median(alone)
    served = statistics.median(load.requests_s for load in http) * options.tokens
    errors = sum(load.errors for load in http)
    return {
        "benchmark": "stream",
        "machine": describe_machine(),
        "conditions": {
            "connections": options.connections,
            "tokens": options.tokens,
            "rounds": options.rounds,
            "seconds": options.seconds,
        },
        "engine_tokens_s": engine,
        "http_tokens_s": served,
        "ratio": served / engine,
        "errors": errors,
        "passed": served / engine >= TARGET and errors == 0,
    }


if __name__ == "__main__":
    sys.exit(main())
