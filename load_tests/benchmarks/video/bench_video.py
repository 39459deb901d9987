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

from load_tests.benchmarks.common.reference_tools import versions
from load_tests.benchmarks.video.analysis import analysing
from load_tests.benchmarks.video.context import Setting
from load_tests.benchmarks.video.executor_overhead import crew
from load_tests.benchmarks.video.goals import GOALS, Row, markdown_of, missed, summary, table_of
from load_tests.benchmarks.video.highlights.planting import SHORTEST_S
from load_tests.benchmarks.video.job import job
from load_tests.benchmarks.video.memory import memory
from load_tests.benchmarks.video.render import rendering
from load_tests.machine import describe_machine

Part = Callable[[Setting], list[Row]]

PARTS: tuple[tuple[frozenset[str], Part], ...] = (
    (frozenset({"S1", "S2", "S3", "S4"}), analysing),
    (frozenset({"S5", "S6", "S8", "S9", "S10"}), rendering),
    (frozenset({"S12"}), memory),
    (frozenset({"S7"}), crew),  # from here on a cluster runs
    (frozenset({"S11"}), job),
)


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-video-") as scratch, ExitStack() as stack:
        setting = Setting(options, options.goals, console, Path(scratch), stack)
        for goals, part in PARTS:
            if goals & set(options.goals):
                found = part(setting)
                console.print(table_of(found))
                rows += found
    rows.sort(key=lambda row: int(row.goal[1:]))
    if len(rows) > 1:
        console.print(table_of(rows))
    console.print(summary(rows))
    if options.json:
        report = report_of(rows, options, setting.raw)
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown_of(rows))
    return 1 if options.check and missed(rows) else 0


def report_of(
    rows: Sequence[Row], options: argparse.Namespace, raw: dict[str, object]
) -> dict[str, object]:
    asked = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
        if name not in ("json", "markdown", "check")
    }
    return {
        "benchmark": "video",
        "machine": describe_machine(),
        "peers": versions(),
        "conditions": asked,
        "goals": [row.row() for row in rows],
        "passed": not missed(rows),
        "raw": raw,
    }


def goals_of(text: str) -> list[str]:
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
    add("--goals", type=goals_of, default=list(GOALS), help="such as S1,S5 [default: all]")
    add("--rounds", type=int, default=3, help="how often each contender takes its turn")
    add("--seconds", type=float, default=40.0, help="of the recording; clips have a fifth of it")
    add("--source", type=Path, help="a 1080p recording to use instead of one that is made")
    add("--workers", type=int, default=min(2, os.cpu_count() or 1), help="pieces at a time")
    add("--clips", type=int, default=4, help="S7: how many")
    add("--seeds", type=int, default=3, help="S2, S3: how many planted recordings")
    add("--planted-seconds", type=_planted_s, default=300, help="S2, S3: length of each, from 300")
    add("--talk-seconds", type=int, default=480, help="S11: length of the talk")
    add("--short-minutes", type=float, default=5.0, help="S12: length of the shorter recording")
    add("--longer", type=int, default=4, help="S12: how many times as long the other is")
    add("--json", type=Path, help="also write the report here")
    add("--markdown", type=Path, help="also write the table here")
    add("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
