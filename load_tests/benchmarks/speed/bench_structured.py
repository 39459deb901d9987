"""`./mobula bench structured`: responses held to random schemas, and what they cost others.

One text model in this process (openvino, nano). Parts: `valid` (every answer with the finish reason
stop is valid by its schema), `speed` (tokens a second beside free text of equal lengths, schemas
seen before), `delay` (how much longer a stream waits for its next tokens when a new schema comes),
`hostile` (definitions that are broken, huge or slow: the engine and its streams go on).
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import orjson
from rich.console import Console

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import InvalidRequest
from cluster.tenants.caller import Caller
from deployments.contracts.generation import (
    Choice,
    GenerateRequest,
    Message,
    OutputFormat,
    Sampling,
)
from deployments.model.loading import load_text_model
from deployments.model.spec import ModelSpec
from deployments.model.text.text_model import TextModel
from load_tests.benchmarks.common.random_schemas import RandomSchema, hostile_format
from load_tests.machine import describe_machine

AT_ONCE = 8
MIN_RATIO = 0.8
MAX_DELAY_MS = 25.0
_MAX_TOKENS = 200
_PAUSE_S = 0.01  # between hostile definitions
_PARTS = ("valid", "speed", "delay", "hostile")
_PROMPT = (Message("user", "Write an Instagram caption about a new coffee shop as JSON"),)


class StructuredBench:
    """The parts; each returns its figures."""

    def __init__(self, model: TextModel, seed: int) -> None:
        self._model = model
        self._rng = Random(seed)
        self._number = 0

    async def valid(self, count: int) -> dict[str, Any]:
        """`count` new random schemas, one response each."""
        outcomes: Counter[str] = Counter()

        async def one(schema: dict[str, Any]) -> None:
            choice = await self._generate(_format(schema))
            outcomes[_outcome(choice, schema)] += 1

        start = time.perf_counter()
        await _at_once([partial(one, each) for each in self._schemas(count)])
        return {
            "schemas": count,
            "stop_and_valid": outcomes["valid"],
            "stop_and_invalid": outcomes["invalid"],
            "cut_by_length": outcomes["length"],
            "seconds": round(time.perf_counter() - start, 1),
            "met": not outcomes["invalid"],
        }

    async def speed(self, count: int, rounds: int) -> dict[str, Any]:
        """Responses to schemas seen before, and free ones of the same lengths, in turn."""
        formats = [_format(schema) for schema in self._schemas(count)]
        requests = [self._request(each) for each in formats]
        lengths = [await self._tokens(request) for request in requests]
        kept = [(r, n) for r, n in zip(requests, lengths, strict=True) if n > 16]
        structured = [replace(r, request_id=f"{r.request_id}-s") for r, _ in kept]
        free = [
            self._request(None, Sampling(max_tokens=n, ignore_eos=True, seed=1)) for _, n in kept
        ]
        ratios, speeds = [], []
        for _ in range(rounds):
            free_s, free_tokens = await self._timed(free)
            structured_s, structured_tokens = await self._timed(structured)
            speeds.append((free_tokens / free_s, structured_tokens / structured_s))
            ratios.append(speeds[-1][1] / speeds[-1][0])
        ratio = statistics.median(ratios)
        return {
            "responses": len(kept),
            "free_tokens_per_s": round(statistics.median(speed for speed, _ in speeds)),
            "structured_tokens_per_s": round(statistics.median(speed for _, speed in speeds)),
            "ratio": round(ratio, 3),
            "met": ratio >= MIN_RATIO,
        }

    async def delay(self, count: int) -> dict[str, Any]:
        """The longest wait of a stream while a request with a new schema runs, less that while
        the same request runs once more.
        """
        gaps: list[float] = []
        last = time.perf_counter()

        async def watch() -> None:
            nonlocal last
            while True:
                sampling = Sampling(max_tokens=512, ignore_eos=True)
                async with aclosing(self._model.stream(self._request(None, sampling))) as chunks:
                    async for _ in chunks:
                        now = time.perf_counter()
                        gaps.append(now - last)
                        last = now

        async def longest(output_format: OutputFormat) -> float:
            gaps.clear()
            await self._generate(output_format)
            return max(gaps, default=0.0) * 1e3

        watcher = asyncio.create_task(watch())
        added: list[float] = []
        try:
            for schema in self._schemas(count):
                new, seen = await longest(_format(schema)), await longest(_format(schema))
                added.append(new - seen)
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        median = statistics.median(added)
        return {
            "schemas": count,
            "added_ms_median": round(median, 1),
            "added_ms_p90": round(sorted(added)[int(len(added) * 0.9)], 1),
            "met": median <= MAX_DELAY_MS,
        }

    async def hostile(self, count: int) -> dict[str, Any]:
        """`count` hostile definitions beside free streams, the same streams alone before."""
        free = [self._request(None, Sampling(max_tokens=200, ignore_eos=True)) for _ in range(16)]
        alone_s, tokens = await self._timed(free)
        outcomes: Counter[str] = Counter()

        async def attack() -> None:
            for _ in range(count):
                try:
                    choice = await self._generate(hostile_format(self._rng))
                except InvalidRequest:
                    outcomes["refused"] += 1
                else:
                    outcomes[choice.finish_reason] += 1
                await asyncio.sleep(_PAUSE_S)

        beside: list[float] = []
        attacker = asyncio.create_task(attack())
        while not attacker.done():
            beside.append((await self._timed(free))[0])
        await attacker
        schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
        answer = _outcome(await self._generate(_format(schema)), schema)
        self._model.engine.check_health()
        ratio = alone_s / statistics.median(beside)
        return {
            "definitions": count,
            "outcomes": dict(outcomes),
            "answer_after": answer,
            "free_tokens_per_s_alone": round(tokens / alone_s),
            "speed_of_others": round(ratio, 3),
            "met": answer == "valid" and sum(outcomes.values()) == count,
        }

    def _schemas(self, count: int) -> list[dict[str, Any]]:
        return [RandomSchema(self._rng).schema for _ in range(count)]

    def _request(
        self, output_format: OutputFormat | None, sampling: Sampling | None = None
    ) -> GenerateRequest:
        self._number += 1
        return GenerateRequest(
            request_id=f"bench-{self._number}",
            caller=Caller("bench", "key", frozenset()),
            model="nano",
            sampling=sampling or Sampling(max_tokens=_MAX_TOKENS, seed=self._number),
            messages=_PROMPT,
            output_format=output_format,
        )

    async def _generate(self, output_format: OutputFormat | None) -> Choice:
        return (await self._model.generate(self._request(output_format))).choices[0]

    async def _tokens(self, request: GenerateRequest) -> int:
        return (await self._model.generate(request)).usage.completion_tokens

    async def _timed(self, requests: Sequence[GenerateRequest]) -> tuple[float, int]:
        """Seconds and tokens of all requests, AT_ONCE at a time."""
        tokens = 0

        async def one(request: GenerateRequest) -> None:
            nonlocal tokens
            tokens += await self._tokens(request)

        start = time.perf_counter()
        await _at_once([partial(one, each) for each in requests])
        return time.perf_counter() - start, tokens


async def _at_once(calls: Sequence[Callable[[], Awaitable[None]]]) -> None:
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            await call()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


def _format(schema: dict[str, Any]) -> OutputFormat:
    return OutputFormat("json_schema", orjson.dumps(schema).decode())


def _outcome(choice: Choice, schema: dict[str, Any]) -> str:
    if choice.finish_reason != "stop":
        return "length"
    try:
        jsonschema.validate(json.loads(choice.text), schema)
    except (ValueError, jsonschema.ValidationError):
        return "invalid"
    return "valid"


async def bench_structured(
    parts: Sequence[str], schemas: int, hostile: int, rounds: int, seed: int, console: Console
) -> dict[str, dict[str, Any]]:
    """The figures of each part."""
    with tempfile.TemporaryDirectory() as home:
        spec = ModelSpec(id="nano", source="nano", engine="openvino", max_running=32)
        model = await load_text_model(spec, Path(home), SystemClock())
        try:
            bench = StructuredBench(model, seed)
            figures: dict[str, dict[str, Any]] = {}
            small = max(2, min(schemas, 64))
            runs: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
                "valid": lambda: bench.valid(schemas),
                "speed": lambda: bench.speed(small, rounds),
                "delay": lambda: bench.delay(small),
                "hostile": lambda: bench.hostile(hostile),
            }
            for part in parts:
                figures[part] = await runs[part]()
                console.print(f"{part}: {figures[part]}", highlight=False)
            return figures
        finally:
            await model.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="mobula bench structured", description=__doc__)
    parser.add_argument("--part", default=",".join(_PARTS), help="parts, with commas")
    parser.add_argument("--schemas", type=int, default=2_000)
    parser.add_argument("--hostile", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(argv)
    parts = given.part.split(",")
    if not set(parts) <= set(_PARTS):
        parser.error(f"the parts are {', '.join(_PARTS)}")
    machine = describe_machine()
    figures = asyncio.run(
        bench_structured(parts, given.schemas, given.hostile, given.rounds, given.seed, Console())
    )
    if given.json is not None:
        body = {"benchmark": "structured", "machine": machine, "parts": figures}
        given.json.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    return 0 if all(part["met"] for part in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
