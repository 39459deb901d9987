"""Searches of collections: what hybrid ones find, exactness, recall, times, memory, restarts.

    ./mobula bench content search [--part quality,small,large] [--points N ...]

`quality` asks an own set of posts for codes and names, for paraphrases, and for both, beside
words alone, vectors alone, reciprocal rank fusion and brute force. `small` has many collections,
`large` one of each number of `--points`, in this process: above 100,000 points by an approximate
index, whose recall is that under filters too. Times are those of a machine that does nothing else.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cluster.runtime.settings import Settings
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.content.search_quality import PlainEmbedder, measure_quality
from load_tests.benchmarks.content.search_scale import measure_large, measure_small
from load_tests.machine import describe_machine

PARTS = ("quality", "small", "large")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    measurements: list[Measurement] = []
    if "quality" in options.part:
        measurements += measure_quality(_embedder(options.vectors_by_words))
    if "small" in options.part:
        measurements.append(measure_small(options.collections, 100))
    if "large" in options.part:
        for points in options.points:
            with tempfile.TemporaryDirectory() as folder:
                measurements += measure_large(points, Path(folder))
    Console().print(build_table(measurements))
    report = {
        "benchmark": "search",
        "machine": describe_machine(),
        "conditions": {"parts": options.part, "points": options.points},
        "measurements": [measurement.to_dict() for measurement in measurements],
    }
    return finish_benchmark(report, all_met(measurements), options)


def _embedder(by_words: bool) -> PlainEmbedder:
    from load_tests.benchmarks.content.document_application import WordVectors
    from training.heads.embedding import LocalEmbedder

    return WordVectors() if by_words else LocalEmbedder(Settings().home)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mobula bench content search", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--part", type=_parts, default=list(PARTS), help=f"{', '.join(PARTS)}; with commas"
    )
    parser.add_argument("--collections", type=int, default=1_000, help="small ones, of 100 points")
    parser.add_argument("--points", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument(
        "--vectors-by-words", action="store_true", help="no embedding model: to see that it works"
    )
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
