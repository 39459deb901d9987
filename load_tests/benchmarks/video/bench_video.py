"""`./mobula bench video`: the goals of video, beside ffmpeg, PySceneDetect and MoviePy.

Analysis, rendering, what Ray adds, a whole job over HTTP on a cluster of its own, and memory; each
against its target. Contenders take turns, and the least of each counts: CPU-seconds of all their
processes, and wall time. PySceneDetect and MoviePy are installed in an environment of their own.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from load_tests.benchmarks.common.reference_tools import list_versions
from load_tests.benchmarks.video.analysis import measure_analysis
from load_tests.benchmarks.video.context import VideoBenchmark
from load_tests.benchmarks.video.executor_overhead import measure_executor_overhead
from load_tests.benchmarks.video.goals import (
    GOALS,
    GoalRow,
    build_markdown,
    build_table,
    list_missed,
    summarize,
)
from load_tests.benchmarks.video.highlights.planting import SHORTEST_S
from load_tests.benchmarks.video.job import measure_job, measure_spoken_job
from load_tests.benchmarks.video.memory import measure_memory
from load_tests.benchmarks.video.render import measure_rendering
from load_tests.machine import describe_machine

Part = Callable[[VideoBenchmark], list[GoalRow]]

PARTS: tuple[tuple[frozenset[str], Part], ...] = (
    (frozenset({"S1", "S2", "S3", "S4"}), measure_analysis),
    (frozenset({"S5", "S6", "S8", "S9", "S10"}), measure_rendering),
    (frozenset({"S12"}), measure_memory),
    (frozenset({"S7"}), measure_executor_overhead),  # from here on a cluster runs
    (frozenset({"S11"}), measure_job),
    (frozenset({"S13"}), measure_spoken_job),
)


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    rows: list[GoalRow] = []
    with tempfile.TemporaryDirectory(prefix="bench-video-") as scratch, ExitStack() as stack:
        benchmark = VideoBenchmark(options, options.goals, console, Path(scratch), stack)
        for goals, part in PARTS:
            if goals & set(options.goals):
                part_rows = part(benchmark)
                console.print(build_table(part_rows))
                rows += part_rows
    rows.sort(key=lambda row: int(row.goal[1:]))
    if len(rows) > 1:
        console.print(build_table(rows))
    console.print(summarize(rows))
    if options.json:
        report = build_report(rows, options, benchmark.raw)
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(build_markdown(rows))
    return 1 if options.check and list_missed(rows) else 0


def build_report(
    rows: Sequence[GoalRow], options: argparse.Namespace, raw: dict[str, object]
) -> dict[str, object]:
    conditions = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
        if name not in ("json", "markdown", "check")
    }
    return {
        "benchmark": "video",
        "machine": describe_machine(),
        "peers": list_versions(),
        "conditions": conditions,
        "goals": [row.to_dict() for row in rows],
        "passed": not list_missed(rows),
        "raw": raw,
    }


def parse_goals(text: str) -> list[str]:
    """The goals of a comma-separated list; raises ArgumentTypeError naming what there is."""
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    if not names or any(name not in GOALS for name in names):
        raise argparse.ArgumentTypeError(f"{text!r}: goals are {', '.join(GOALS)}")
    return list(dict.fromkeys(names))


def _planted_s(text: str) -> int:
    if not text.isdecimal() or int(text) < SHORTEST_S:
        raise argparse.ArgumentTypeError(f"{text!r}: moments need at least {SHORTEST_S:g} seconds")
    return int(text)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    goals = "\n".join(f"  {name:<4} {what}" for name, what in GOALS.items())
    parser = argparse.ArgumentParser(
        prog="mobula bench video",
        description=f"{__doc__}\n{goals}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--goals", type=parse_goals, default=list(GOALS), help="such as S1,S5 [default: all]")
    add("--rounds", type=int, default=3, help="how often each contender takes its turn")
    add("--seconds", type=float, default=40.0, help="of the recording; clips have a fifth of it")
    add("--source", type=Path, help="a 1080p recording to use instead of one that is made")
    add("--workers", type=int, default=min(2, os.cpu_count() or 1), help="tasks at a time")
    add("--clips", type=int, default=4, help="S7: how many")
    add("--seeds", type=int, default=3, help="S2, S3: how many planted recordings")
    add("--planted-seconds", type=_planted_s, default=300, help="S2, S3: length of each, from 300")
    add("--talk-seconds", type=int, default=480, help="S11: length of the talk")
    add("--spoken-seconds", type=int, default=600, help="S13: length of the talk")
    add("--short-minutes", type=float, default=5.0, help="S12: length of the shorter recording")
    add("--longer", type=int, default=4, help="S12: how many times as long the other is")
    add("--json", type=Path, help="also write the report here")
    add("--markdown", type=Path, help="also write the table here")
    add("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
