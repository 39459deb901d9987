"""What `POST /api/v1/posts/optimize` makes of 500 made drafts, without a cluster.

    ./mobula bench content optimize [--drafts N] [--words-only] [--json FILE] [--check]

In: drafts of drafts.py, the model of sentence embeddings that ships with Mobula. Out: gains and
harm by goal, what is kept, how much a second run changes, CPU times, beside plain rules that judge
nothing; whether the regression on outcomes finds planted preferences; what numba saves. The drafts
and the outcomes are made: the figures rank ways to optimise, they promise nobody readers.
"""

import argparse
import sys
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
from load_tests.benchmarks.content.drafts import make_drafts
from load_tests.benchmarks.content.kernel_speed import measure_kernel
from load_tests.benchmarks.content.optimized_drafts import (
    DraftOptimizer,
    measure_by_goal,
    measure_goals_together,
    measure_optimization,
    measure_plain_rules,
    optimize_drafts,
)
from load_tests.benchmarks.content.planted_engagement import measure_engagement
from load_tests.machine import describe_machine
from training.heads.embedding import LocalEmbedder

_TIMED = 60  # drafts whose goals are timed one by one


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="mobula bench content optimize", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--drafts", type=int, default=500)
    parser.add_argument("--posts", type=int, default=500, help="with outcomes, to learn from")
    parser.add_argument("--seeds", type=int, default=10, help="planted preferences")
    parser.add_argument(
        "--words-only", action="store_true", help="no embeddings: whether the meaning is kept"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    options = parser.parse_args(arguments)
    embedder = None if options.words_only else LocalEmbedder(Settings().home)
    measurements = _measure(options, DraftOptimizer(embedder))
    Console().print(build_table(measurements))
    report = {
        "machine": describe_machine(),
        "drafts": options.drafts,
        "words_only": options.words_only,
        "measurements": [measurement.to_dict() for measurement in measurements],
    }
    return finish_benchmark(report, all_met(measurements), options)


def _measure(options: argparse.Namespace, optimizer: DraftOptimizer) -> list[Measurement]:
    drafts = make_drafts(options.drafts)
    done = optimize_drafts(optimizer, drafts)
    return [
        *measure_optimization(optimizer, done),
        *measure_by_goal(done),
        *measure_plain_rules(optimizer, drafts),
        *measure_goals_together(optimizer, drafts[:_TIMED]),
        *measure_engagement(options.posts, options.seeds),
        *measure_kernel(),
    ]


if __name__ == "__main__":
    sys.exit(main())
