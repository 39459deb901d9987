"""`./mobula bench content text`: how good text analysis is, and what it costs.

    ./mobula bench content text [--part quality,cost] [--calls N] [--json FILE] [--check]

`quality` measures the heads on held-out ratings beside VADER, languages, personal data, keywords
beside YAKE, and classes, without a cluster. `cost` measures latency, CPU and memory on a private
cluster, and calls while the replica is killed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cluster.runtime.settings import Settings
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.content.text_cost import CostOptions, deploy_text, measure_text_cost
from load_tests.machine import describe_machine

PARTS = ("quality", "cost")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    console = Console()
    measurements: list[Measurement] = []
    if "cost" in options.part:  # first: it needs an environment from before Ray is imported
        cost = CostOptions(options.calls, options.rounds, options.load_seconds)
        with LocalServe() as local:
            console.print("deploying Text ...")
            deploy_text(local)
            measurements += measure_text_cost(local, cost, console.print)
    if "quality" in options.part:
        measurements += _measure_quality(options, console)
    console.print(build_table(measurements))
    report = {
        "benchmark": "text",
        "machine": describe_machine(),
        "conditions": {"parts": options.part, "calls": options.calls, "posts": options.posts},
        "measurements": [measurement.to_dict() for measurement in measurements],
    }
    return finish_benchmark(report, all_met(measurements), options)


def _measure_quality(options: argparse.Namespace, console: Console) -> list[Measurement]:
    from load_tests.benchmarks.content.text_quality import QualityOptions, measure_text_quality

    quality = QualityOptions(options.posts, options.spans, with_yake=not options.without_yake)
    return measure_text_quality(quality, Settings().home, console.print)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mobula bench content text", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--part", type=_parts, default=list(PARTS), help="quality, cost, or both with a comma"
    )
    parser.add_argument("--calls", type=int, default=200, help="timed calls")
    parser.add_argument("--rounds", type=int, default=5, help="of many texts beside many calls")
    parser.add_argument("--load-seconds", type=float, default=25.0, help="0: nothing is killed")
    parser.add_argument("--posts", type=int, default=1_000, help="with planted keywords")
    parser.add_argument("--spans", type=int, default=2_000, help="of personal data")
    parser.add_argument("--without-yake", action="store_true", help="do not measure YAKE beside")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(arguments)


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if not set(parts) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"parts are {', '.join(PARTS)}")
    return parts


if __name__ == "__main__":
    sys.exit(main())
