"""`./mobula bench tools`: forced tool calls of a model, over random tools and prompts.

The model runs in this process, without Serve. Each request shows one or two random tools and forces
a call: of a named one, or of any. A call counts as valid if its tool exists and the jsonschema
library accepts its arguments by that tool's schema; every call of a response has to be. A response
that reached its maximum length is counted apart: what was cut cannot be valid.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from cluster.tenants.caller import Caller
from deployments.contracts.generation import (
    Choice,
    GenerateRequest,
    Message,
    Sampling,
    Tool,
    ToolSettings,
)
from deployments.model.loading import load_text_model
from deployments.model.spec import ModelSpec
from deployments.model.text.text_model import TextModel
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.machine import describe_machine

VERBS = ("get", "find", "send", "plan", "count", "book", "post", "rate")
NOUNS = ("weather", "photo", "caption", "order", "route", "table", "note", "price", "city")
TASKS = ("Tell me the {} of {}.", "I need a {} for {} now", "{}? {}!", "Compare {} and {}")


@dataclass
class Counts:
    """Responses by what became of them, and what they took."""

    valid: int = 0
    cut: int = 0
    invalid: list[str] = field(default_factory=list)
    calls: Counter[int] = field(default_factory=Counter)
    tokens: int = 0
    seconds: float = 0.0


def random_tools(dice: random.Random) -> tuple[Tool, ...]:
    """One or two small tools with different names."""
    names = {f"{dice.choice(VERBS)}_{dice.choice(NOUNS)}" for _ in range(dice.randint(1, 2))}
    return tuple(
        [
            Tool(name, f"{name.replace('_', ' ')} now", json.dumps(random_parameters(dice)))
            for name in sorted(names)
        ]
    )


def random_parameters(dice: random.Random) -> dict[str, Any]:
    """The JSON Schema of up to three arguments."""
    names = dice.sample(NOUNS, dice.randint(0, 3))
    properties = {name: _random_schema(dice) for name in names}
    required = [name for name in names if dice.random() < 0.7]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _random_schema(dice: random.Random) -> dict[str, Any]:
    schemas: list[dict[str, Any]] = [
        {"type": "string", "maxLength": dice.randint(4, 24)},
        {"enum": dice.sample(NOUNS, dice.randint(1, 4))},
        {"type": "integer", "minimum": dice.randint(-9, 0), "maximum": dice.randint(1, 999)},
        {"type": "boolean"},
        {"type": ["integer", "null"], "minimum": 0, "maximum": 99},
        {"type": "array", "items": {"enum": list(NOUNS[:3])}, "maxItems": 3},
    ]
    return dice.choice(schemas)


def random_request(
    number: int, dice: random.Random, max_tokens: int | None = None
) -> GenerateRequest:
    """A request that forces a call, of a named tool or of any; sampled, with a seed."""
    tools = random_tools(dice)
    name = dice.choice(tools).name if dice.random() < 0.5 else ""
    text = dice.choice(TASKS).format(dice.choice(NOUNS), dice.choice(NOUNS))
    return GenerateRequest(
        request_id=f"bench-{number}",
        caller=Caller("bench", "bench", frozenset()),
        model="nano",
        sampling=Sampling(max_tokens=max_tokens, seed=number, temperature=dice.choice((0.0, 1.0))),
        messages=(Message("user", text),),
        timeout_s=600.0,
        tool_settings=ToolSettings(tools, "required", name, parallel=dice.random() < 0.5),
    )


async def bench_tools(
    model: TextModel, requests: Sequence[GenerateRequest], concurrency: int
) -> Counts:
    """Run the requests, `concurrency` at once."""
    counts, waiting = Counts(), list(reversed(requests))

    async def run() -> None:
        while waiting:
            request = waiting.pop()
            completion = await model.generate(request)
            counts.tokens += completion.usage.completion_tokens
            _count(counts, request, completion.choices[0])

    started = time.perf_counter()
    await asyncio.gather(*[run() for _ in range(concurrency)])
    counts.seconds = time.perf_counter() - started
    return counts


def _count(counts: Counts, request: GenerateRequest, choice: Choice) -> None:
    counts.calls[len(choice.tool_calls)] += 1
    if choice.finish_reason == "length":
        counts.cut += 1
        return
    why = find_fault(request, choice)
    if why is None:
        counts.valid += 1
    else:
        counts.invalid.append(f"{request.request_id}: {why}: {choice}")


def find_fault(request: GenerateRequest, choice: Choice) -> str | None:
    """Why the calls are not what was asked for; None where they are."""
    import jsonschema

    settings = request.tool_settings
    assert settings is not None, "requests of this benchmark have tools"
    schemas = {tool.name: json.loads(tool.parameters) for tool in settings.tools}
    if choice.finish_reason != "tool_calls" or choice.text:
        return "no call"
    if len(choice.tool_calls) > 1 and (settings.name or not settings.parallel):
        return "more than one call"
    for call in choice.tool_calls:
        if call.name not in schemas or settings.name not in ("", call.name):
            return "another tool"
        try:
            jsonschema.validate(json.loads(call.arguments), schemas[call.name])
        except (ValueError, jsonschema.ValidationError) as error:
            return f"arguments ({str(error)[:80]})"
    return None


@asynccontextmanager
async def loaded_model(source: str) -> AsyncIterator[TextModel]:
    """The model, until the end of the block."""
    spec = ModelSpec(id="nano", source=source, max_waiting=1_000)
    model = await load_text_model(spec, Settings().home, SystemClock())
    try:
        yield model
    finally:
        await model.close()


def measurements(counts: Counts, options: argparse.Namespace) -> list[Measurement]:
    finished = counts.valid + len(counts.invalid)
    share = 100 * counts.valid / finished if finished else 0.0
    part = "forced calls"
    return [
        Measurement(part, "valid of those that ended", share, "%", at_least=100),
        Measurement(part, "ended by themselves", finished, "", at_least=options.requests * 0.9),
        Measurement(part, "cut by their maximum length", counts.cut),
        Measurement(part, "with more than one call", sum(counts.calls.values()) - counts.calls[1]),
        Measurement(part, "tokens a second", counts.tokens / counts.seconds),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 under `--check` where a call was not valid."""
    options = _options(argv)
    console = Console()
    dice = random.Random(options.seed)
    requests = [
        random_request(number, dice, options.max_tokens) for number in range(options.requests)
    ]

    async def run() -> Counts:
        async with loaded_model(options.model) as model:
            return await bench_tools(model, requests, options.concurrency)

    counts = asyncio.run(run())
    measured = measurements(counts, options)
    console.print(build_table(measured))
    for fault in counts.invalid[:10]:
        console.print(fault, highlight=False)
    report = {
        "benchmark": "tools",
        "machine": describe_machine(),
        "options": {**vars(options), "json": None},
        "measurements": [each.to_dict() for each in measured],
    }
    return finish_benchmark(report, all_met(measured), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench tools", description=__doc__)
    parser.add_argument("--model", default="nano", help="nano, a folder or a Hugging Face id")
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, help="as many as the context leaves by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="exit code 1 if a call is not valid")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
