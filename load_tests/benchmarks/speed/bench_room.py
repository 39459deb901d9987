"""`./mobula bench room`: what a default `up` takes of a small machine.

`up -d` in a home and on ports of its own, with the configuration that is shipped: seconds to the
first 200; then one request of every kind that is on by default, and rest. Measured are the memory
of its processes by what they are (resident, and proportional: shared pages divided by those who
share them), the CPU that they use at rest, and the CPUs that its deployments reserve.
With `--against REV` the `up` of another commit starts in turn, with the packages of this one.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from cluster.runtime.settings import ROOT
from load_tests.benchmarks.against.worktree import check_out
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.speed.room_taken import RoomTaken, measure_start
from load_tests.machine import describe_machine

MOST_MORE = 1.0  # % of a core that a release may take more at rest
MOST_MIB, MOST_CPUS, MOST_RATIO = 4096.0, 2.0, 1.5  # a machine of 2 cores, 4 GiB
SETTLE_S, REST_S = 60.0, 60.0
HERE = "here"
SHARE = "% of a core"


@dataclass
class RoomOfTree:
    """All starts of one commit."""

    name: str
    starts: list[RoomTaken] = field(default_factory=list)

    def median(self, figure: Callable[[RoomTaken], float]) -> float:
        return statistics.median(figure(start) for start in self.starts)


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    console = Console()
    with _trees(options.against) as trees:
        rooms = [RoomOfTree(name) for name in trees]
        for number in range(options.rounds):
            for room in rooms if number % 2 == 0 else rooms[::-1]:
                console.print(f"round {number + 1} of {options.rounds}: {room.name} ...")
                room.starts.append(measure_start(trees[room.name], options.settle, options.rest))
    measurements = build_measurements(rooms)
    console.print(build_table(measurements))
    report = {
        "benchmark": "room",
        "machine": describe_machine(),
        "conditions": {"rounds": options.rounds, "against": rooms[1:] and rooms[1].name},
        "rows": [measurement.to_dict() for measurement in measurements],
        "passed": all_met(measurements),
    }
    return finish_benchmark(report, bool(report["passed"]), options)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench room", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="starts of each commit")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds before the rest")
    parser.add_argument("--rest", type=float, default=REST_S, help="seconds of rest")
    parser.add_argument("--against", metavar="REV", help="another commit, such as a release")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


@contextmanager
def _trees(against: str | None) -> Iterator[Mapping[str, Path]]:
    """By name; this one first. Raises MissingRequirement without such a commit."""
    if against is None:
        yield {HERE: ROOT}
        return
    with check_out(against) as other:
        yield {HERE: ROOT, other.commit: other.folder}


def build_measurements(rooms: Sequence[RoomOfTree]) -> list[Measurement]:
    """`rooms[0]` is this tree's, which has the targets; rooms[1] that of another commit."""
    room = rooms[0]
    seconds = room.median(lambda start: start.first_200_s)
    rows = [Measurement("start", "first 200", seconds, "s")]
    for other in rooms[1:]:
        theirs = other.median(lambda start: start.first_200_s)
        rows.append(Measurement("start", f"first 200 at {other.name}", theirs, "s"))
        rows.append(Measurement("start", "ratio", seconds / theirs, at_most=MOST_RATIO))
    resident = room.median(lambda start: sum(start.resident.values()))
    rows.append(Measurement("memory", "resident, all", resident, "MiB", at_most=MOST_MIB))
    proportional = room.median(lambda start: sum(start.proportional.values()))
    rows.append(Measurement("memory", "proportional, all", proportional, "MiB"))
    for other in rooms[1:]:
        theirs = other.median(lambda start: sum(start.resident.values()))
        rows.append(Measurement("memory", f"resident, all, at {other.name}", theirs, "MiB"))
    last = room.starts[-1]
    for kind in sorted(last.resident, key=lambda kind: -last.resident[kind]):
        rows.append(Measurement("resident memory", kind, last.resident[kind], "MiB"))
    rows.append(Measurement("processes", "of the cluster", last.processes))
    here = _cores_at_rest(room)
    rows.append(Measurement("CPU at rest", "all", 100 * here, SHARE))
    for other in rooms[1:]:
        theirs = _cores_at_rest(other)
        rows.append(Measurement("CPU at rest", f"all, at {other.name}", 100 * theirs, SHARE))
        more = 100 * (here - theirs)
        rows.append(Measurement("CPU at rest", "more", more, SHARE, at_most=MOST_MORE))
    rows += _cpu_by_kind(rooms)
    for name, cpus in last.reserved.items():
        rows.append(Measurement("reserved CPUs", name, cpus))
    total = round(sum(last.reserved.values()), 6)
    rows.append(Measurement("reserved CPUs", "all deployments", total, at_most=MOST_CPUS))
    return rows


def _cores_at_rest(room: RoomOfTree) -> float:
    return room.median(lambda start: sum(start.cores_at_rest.values()))


def _cpu_by_kind(rooms: Sequence[RoomOfTree]) -> Iterator[Measurement]:
    names = {name for room in rooms for start in room.starts for name in start.cores_at_rest}
    for name in sorted(names):
        for room in rooms:
            cores = statistics.median(start.cores_at_rest.get(name, 0.0) for start in room.starts)
            label = name if room is rooms[0] else f"{name}, at {room.name}"
            yield Measurement("CPU at rest", label, 100 * cores, SHARE)


if __name__ == "__main__":
    sys.exit(main())
