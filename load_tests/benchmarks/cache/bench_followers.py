"""`./mobula bench followers`: right answers for those who waited for another caller's computation.

One cluster with two ingress replicas behind HAProxy and a slow echo model. Each leader asks, a
follower asks the same, the leader gives up: it closes its connection, resets it, or its deadline
passes. Every follower, of a whole answer or a stream, gets the whole answer, from the computation
that the leader began.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from load_tests.benchmarks.cache.abandoned_leaders import (
    LEAVING,
    FollowerOutcome,
    follow_abandoned,
    make_pairs,
)
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import Measurement, all_met, build_table
from load_tests.machine import describe_machine

PACE = 25.0  # tokens/s of the echo model, which gives a token a character
MODEL = {
    "id": "slow",
    "engine": "echo",
    "num_cpus": 0.1,
    "tokens_per_second": PACE,
    "max_running": 256,
}
REPLICAS = 2


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    with LocalServe() as local:
        console.print(f"deploying a slow echo model behind {REPLICAS} ingress replicas ...")
        _deploy(local)
        pairs = make_pairs(options.leaders, f"{time.monotonic_ns():x}")
        outcome = asyncio.run(
            follow_abandoned(local.url, local.key, "slow", pairs, options.at_once)
        )
    measurements = build_measurements(outcome, options.leaders)
    console.print(build_table(measurements))
    for wrong in outcome.wrong[:10]:
        console.print(wrong, markup=False)
    if options.json:
        report = {
            "benchmark": "followers",
            "machine": describe_machine(),
            "conditions": {"leaders": options.leaders, "at_once": options.at_once, "pace": PACE},
            "figures": [measurement.to_dict() for measurement in measurements],
            "passed": all_met(measurements),
            "wrong": outcome.wrong,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all_met(measurements) else 1


def build_measurements(outcome: FollowerOutcome, leaders: int) -> list[Measurement]:
    """All followers are answered; an abandoned computation is hardly ever done once more."""
    names = [f"{kind}, leader {how}" for kind in ("whole", "stream") for how in LEAVING]
    right = outcome.right.total()
    return [
        *(Measurement("followers", f"right: {name}", outcome.right[name]) for name in names),
        Measurement("followers", f"right answers of {leaders}", right, at_least=leaders),
        Measurement("followers", "wrong answers", len(outcome.wrong), at_most=0),
        Measurement(
            "followers",
            "computations for each pair",
            outcome.computations / leaders,
            at_most=1.05,
        ),
    ]


def _deploy(local: LocalServe) -> None:
    from graphs.app import build
    from graphs.args import AppArgs

    ingress = {"num_cpus": 0.1, "replicas": REPLICAS}
    args = {"models": [MODEL], "ingress": ingress, "limiter": {"authority": "embedded"}}
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")
    local.wait_for_ingress(REPLICAS)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench followers", description=__doc__)
    parser.add_argument("--leaders", type=int, default=200, help="how many give up")
    parser.add_argument("--at-once", type=int, default=16, help="pairs at the same time")
    parser.add_argument("--json", type=Path, help="also write the report here")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
