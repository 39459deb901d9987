"""`./mobula bench engine`: every engine's tokens a second, beside transformers by itself.

All contenders are loaded,
then measured in turn, round after round in one run, so that a noisy moment hits all of them. What
counts are ratios of medians.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deployments.model.model_files import ModelFiles, find_model
from deployments.model.spec import ModelSpec
from load_tests.benchmarks.speed.engine_contenders import EngineContender, Prompt, create_contenders
from load_tests.machine import describe_machine

GENERATE, BATCHING = "transformers generate", "transformers continuous batching"
TARGETS = (("openvino", 32, BATCHING, 4.0), ("openvino", 1, GENERATE, 5.0))
_SEED = 7


@dataclass(frozen=True)
class Options:
    """What to measure. `prompts` caps the requests of one measurement."""

    model: str
    concurrency: tuple[int, ...]
    tokens: int
    prompts: int
    rounds: int
    threads: int


@dataclass(frozen=True)
class Result:
    """Tokens a second of one contender at one concurrency, over all rounds."""

    engine: str
    concurrency: int
    tokens_per_s: float
    rounds: tuple[float, ...]


async def bench_engine(options: Options, console: Console) -> list[Result]:
    """Load, warm up, and measure every contender at every concurrency, `rounds` times."""
    files = find_model(ModelSpec(id="bench", source=options.model))
    prompts = _prompts(files, options.prompts)
    field = create_contenders(files, options.threads)
    for contender in field:
        await contender.start()
        await contender.run(prompts[:2], 2, 4)
    try:
        speeds: dict[tuple[str, int], list[float]] = {}
        for number in range(options.rounds):
            console.print(f"round {number + 1} of {options.rounds}", highlight=False)
            for concurrency in options.concurrency:
                for contender in field:
                    if not contender.serial or concurrency == 1:
                        speed = await _speed(contender, prompts, concurrency, options.tokens)
                        speeds.setdefault((contender.name, concurrency), []).append(speed)
    finally:
        for contender in field:
            await contender.stop()
    return [
        Result(name, concurrency, statistics.median(values), tuple(values))
        for (name, concurrency), values in speeds.items()
    ]


async def _speed(
    contender: EngineContender, prompts: Sequence[Prompt], concurrency: int, tokens: int
) -> float:
    """Tokens a second over at most eight requests a place."""
    chosen = prompts[: 8 * concurrency]
    start = time.perf_counter()
    await contender.run(chosen, concurrency, tokens)
    return len(chosen) * tokens / (time.perf_counter() - start)


def _prompts(files: ModelFiles, count: int) -> list[Prompt]:
    """Random ids, 20 to 60 of them: greedy decoding costs the same whatever they mean."""
    config = json.loads((files.folder / "config.json").read_text(encoding="utf-8"))
    dice = random.Random(_SEED)
    top = int((config.get("text_config") or config)["vocab_size"])
    return [
        tuple(dice.randrange(8, top) for _ in range(dice.randrange(20, 61))) for _ in range(count)
    ]


def compute_ratios(results: Sequence[Result]) -> list[dict[str, object]]:
    """How each target stands: measured ratio, wanted ratio, met or not."""
    speeds = {(result.engine, result.concurrency): result.tokens_per_s for result in results}
    rows: list[dict[str, object]] = []
    for engine, concurrency, against, wanted in TARGETS:
        ours, theirs = speeds.get((engine, concurrency)), speeds.get((against, concurrency))
        if ours and theirs:
            rows.append(
                {
                    "engine": engine,
                    "concurrency": concurrency,
                    "against": against,
                    "ratio": round(ours / theirs, 2),
                    "wanted": wanted,
                    "met": ours / theirs >= wanted,
                }
            )
    return rows


def report(results: Sequence[Result], options: Options, console: Console) -> None:
    """A table: a row an engine, a column a concurrency, with ratios to plain transformers."""
    speeds = {(result.engine, result.concurrency): result.tokens_per_s for result in results}
    title = f"tokens a second, {options.tokens} a request, {options.threads} thread(s)"
    table = Table(title=title)
    table.add_column("engine")
    for concurrency in options.concurrency:
        table.add_column(f"{concurrency} at once", justify="right")
    for name in dict.fromkeys(result.engine for result in results):
        cells = [
            _cell(speeds, name, concurrency, GENERATE if concurrency == 1 else BATCHING)
            for concurrency in options.concurrency
        ]
        table.add_row(name, *cells)
    console.print(table)
    for row in compute_ratios(results):
        word = "met" if row["met"] else "MISSED"
        console.print(
            f"{word}: {row['engine']} at {row['concurrency']} is {row['ratio']}x "
            f"{row['against']} (wanted {row['wanted']}x)",
            highlight=False,
        )


def _cell(speeds: dict[tuple[str, int], float], name: str, concurrency: int, against: str) -> str:
    value, base = speeds.get((name, concurrency)), speeds.get((against, concurrency))
    if value is None:
        return "-"
    return f"{value:,.0f}  ({value / base:.1f}x)" if base else f"{value:,.0f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 when a target is missed."""
    options, path = _options(argv)
    console = Console()
    machine = describe_machine()
    results = asyncio.run(bench_engine(options, console))
    report(results, options, console)
    if path is not None:
        body = {
            "benchmark": "engine",
            "machine": machine,
            "options": asdict(options),
            "results": [asdict(result) for result in results],
            "targets": compute_ratios(results),
        }
        path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    return 0 if all(row["met"] for row in compute_ratios(results)) else 1


def _options(argv: Sequence[str] | None) -> tuple[Options, Path | None]:
    parser = argparse.ArgumentParser(prog="mobula bench engine", description=__doc__)
    parser.add_argument("--model", default="nano", help="'nano', a folder, or a Hugging Face id")
    parser.add_argument("--concurrency", default="1,8,32", help="requests at once, with commas")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of each answer")
    parser.add_argument("--prompts", type=int, default=32, help="requests of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="the same for every engine")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(argv)
    options = Options(
        model=given.model,
        concurrency=tuple(int(part) for part in given.concurrency.split(",")),
        tokens=given.tokens,
        prompts=given.prompts,
        rounds=given.rounds,
        threads=given.threads,
    )
    return options, given.json


if __name__ == "__main__":
    sys.exit(main())
