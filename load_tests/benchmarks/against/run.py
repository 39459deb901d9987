"""`./mobula bench NAME --against REV`: this working tree and another commit in turn.

A git worktree of REV in a temporary folder runs with this environment's packages. In every turn
each of the two runs the benchmark once, in processes of its own; who is first changes from turn to
turn. Shown are medians over the turns and their ratio, figure by figure. Options of the benchmark
may follow; one that only one of the two knows is left out for both.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cluster.cli.requirements import MissingRequirement
from cluster.runtime.settings import ROOT, process_environment
from load_tests.benchmarks.against.figures import (
    ComparedFigure,
    ReportedFigure,
    compare_figures,
    extract_figures,
    list_slower,
)
from load_tests.benchmarks.against.worktree import check_out
from load_tests.benchmarks.common.measurement import finish_benchmark
from load_tests.machine import describe_machine

TURNS = 5
# They start ./mobula, which would install an environment for the other commit.
UNSUPPORTED = ("up", "recovery")


@dataclass(frozen=True)
class BenchmarkedTree:
    """The benchmark `name` of the tree in `folder`."""

    folder: Path
    name: str

    def known_options(self) -> set[str]:
        """Raises MissingRequirement where this tree has no such benchmark."""
        done = self._run("--help")
        if done.returncode:
            raise MissingRequirement(f"there is no benchmark '{self.name}' in {self.folder.name}")
        return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.stdout))

    def measure(self, arguments: Sequence[str], scratch: Path) -> dict[str, ReportedFigure]:
        """One run; RuntimeError where it does not come to a report."""
        report = scratch / "report.json"
        report.unlink(missing_ok=True)
        done = self._run(*arguments, "--json", str(report))
        if not report.exists():
            raise RuntimeError(
                f"{self.name} of {self.folder} made no report:\n{done.stdout[-2000:]}"
            )
        return extract_figures(json.loads(report.read_text()))

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        paths = process_environment().get("PYTHONPATH", "").split(":")
        others = [path for path in paths if path and Path(path).resolve() != ROOT]
        environment = process_environment({"PYTHONPATH": ":".join([str(self.folder), *others])})
        return subprocess.run(
            [sys.executable, "-m", "cluster.cli", "bench", self.name, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def main(argv: Sequence[str] | None = None) -> int:
    options, others = _options(argv)
    if options.name in UNSUPPORTED:
        raise MissingRequirement(f"bench {options.name} starts ./mobula: it has no --against")
    console, machine = Console(), describe_machine()
    with check_out(options.against) as other, tempfile.TemporaryDirectory() as scratch:
        if not other.same_pins:
            console.print(f"{other.commit} pins other packages: it runs with those of this tree")
        trees = (BenchmarkedTree(other.folder, options.name), BenchmarkedTree(ROOT, options.name))
        known = trees[0].known_options() & trees[1].known_options()
        arguments = select_arguments(others, known, console)
        turns: tuple[list[dict[str, ReportedFigure]], ...] = ([], [])
        for turn in range(options.rounds):
            for index in (0, 1) if turn % 2 == 0 else (1, 0):
                turns[index].append(trees[index].measure(arguments, Path(scratch)))
            console.print(f"turn {turn + 1} of {options.rounds} done", highlight=False)
    figures = compare_figures(*turns)
    console.print(build_table(figures, other.commit))
    slower = list_slower(figures, options.at_least)
    for figure in slower:
        console.print(f"SLOWER: {figure.label}: {figure.ratio:.3f} of {other.commit}")
    report = {
        "benchmark": f"{options.name} against",
        "machine": machine,
        "conditions": {
            "against": other.commit,
            "rounds": options.rounds,
            "arguments": arguments,
            "at_least": options.at_least,
        },
        "rows": [_row(figure) for figure in figures],
        "passed": bool(figures) and not slower,
    }
    return finish_benchmark(report, bool(report["passed"]), options)


def select_arguments(given: Sequence[str], known: set[str], console: Console) -> list[str]:
    """Those of options in `known`, each with its values; the others are named and left out.
    `--rounds 1` is added where there is such an option: the turns are the rounds."""
    if "--json" not in known:
        raise MissingRequirement("one of the two commits has no --json for this benchmark")
    arguments, takes = [], True
    for word in given:
        if word.startswith("--"):
            takes = word.partition("=")[0] in known
            if not takes:
                console.print(f"{word} is left out: one of the two commits does not know it")
        if takes:
            arguments.append(word)
    return [*arguments, *(["--rounds", "1"] if "--rounds" in known else [])]


def build_table(figures: Sequence[ComparedFigure], commit: str) -> Table:
    table = Table("figure", commit, "here", "ratio", "of each turn")
    for figure in figures:
        spread = f"{min(figure.ratios):.3g} to {max(figure.ratios):.3g}"
        row = (figure.label, _rounded(figure.theirs), _rounded(figure.ours))
        table.add_row(*row, f"{figure.ratio:.3f}", spread)
    return table


def _row(figure: ComparedFigure) -> Mapping[str, Any]:
    return {**asdict(figure), "ratio": figure.ratio}


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _options(argv: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="mobula bench NAME", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("name", help="the benchmark")
    parser.add_argument("--against", required=True, metavar="REV", help="the other commit")
    parser.add_argument("--rounds", type=int, default=TURNS, help="turns of both")
    parser.add_argument("--at-least", type=float, default=0.98, help="--check: ratio of each rate")
    parser.add_argument("--json", type=Path, help="also write the comparison here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a rate is lower")
    return parser.parse_known_args(argv)


if __name__ == "__main__":
    sys.exit(main())
