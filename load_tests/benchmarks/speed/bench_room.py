"""`./mobula bench room`: what a default `up` takes of a small machine.

`up -d` in a home and on ports of its own, with the configuration that is shipped: seconds to the
first 200; then one request of every kind that is on by default, and half a minute of rest. Measured
are the memory of its processes by what they are (resident, and proportional: shared pages divided
by those who share them), the CPU that it uses at rest, and the CPUs that its deployments reserve.
With `--against REV` the `up` of another commit starts in turn, with the packages of this one.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console

from cluster.ops.dashboard import DashboardClient
from cluster.ops.processes import cluster_processes
from cluster.ops.startup import token
from cluster.runtime.settings import ROOT, Settings
from cluster.secrets.key_files import admin_key
from load_tests.benchmarks.against.worktree import check_out
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.common.mobula_command import MobulaCommand
from load_tests.benchmarks.common.process_kinds import group_by_kind
from load_tests.machine import describe_machine

MOST_MIB, MOST_CPUS, MOST_RATIO = 4096.0, 2.0, 1.5  # a machine of 2 cores, 4 GiB
REST_S = 30.0
_MIB = 1 << 20
OTHERS = {  # what a command line holds of processes that process_kinds.py does not name
    "ray::IDLE": "idle workers",
    "ray::DashboardAgent": "dashboard agent",
    "ray::RuntimeEnvAgent": "environment agent",
    "/dashboard.py": "dashboard",
    "ray-dashboard-": "dashboard",
    "/log_monitor.py": "log monitor",
    "/monitor.py": "autoscaler monitor",
    "cluster.cli": "supervisor",
}
HERE = "here"


@dataclass(frozen=True)
class RoomTaken:
    """Of one start. Memory in MiB by kind of process, CPUs by deployment, `cores_at_rest` is the
    mean of CPU seconds a second."""

    first_200_s: float
    resident: Mapping[str, float]
    proportional: Mapping[str, float]
    reserved: Mapping[str, float]
    cores_at_rest: float
    processes: int


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
                room.starts.append(measure_start(trees[room.name], options.rest))
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


def measure_start(tree: Path, rest_s: float) -> RoomTaken:
    """Raises RuntimeError if it does not start, httpx.HTTPError if a request fails."""
    with (
        tempfile.TemporaryDirectory(prefix="mob-") as folder,
        MobulaCommand.create_temporary(Path(folder), tree=tree) as command,
    ):
        began = time.monotonic()
        config = ["--config", str(tree / "serve_config.yaml")]
        code, output = command.run("up", "-d", *config)
        first_200_s = time.monotonic() - began
        if code != 0:
            raise RuntimeError(output)
        try:
            use_everything(command)
            return _measure(command, first_200_s, rest_s)
        finally:
            command.run("down", "--drain", "0")


def use_everything(command: MobulaCommand) -> None:
    """A request of every kind that is on by default, so that what is loaded late is there."""
    key = admin_key(command.home, Settings(home=command.home)) or ""
    headers = {"Authorization": f"Bearer {key}"}
    url = f"http://127.0.0.1:{command.ports.http}"
    chat = {"messages": [{"role": "user", "content": "A line on tea"}], "max_tokens": 16}
    requests: Mapping[str, Mapping[str, Any]] = {
        "/v1/chat/completions": {"model": "nano", **chat},
        "/api/v1/captions": {"topic": "green tea"},
        "/v1/embeddings": {"model": "minilm", "input": "tea"},
        "/v1/moderations": {"input": "tea"},
    }
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as http:
        for path, body in requests.items():
            http.post(path, json=body).raise_for_status()
        for path in ("/metrics", "/health", "/api/v1/usage"):
            http.get(path).raise_for_status()


def _measure(command: MobulaCommand, first_200_s: float, rest_s: float) -> RoomTaken:
    state = command.state()
    before, began = _cpu_s(state.id), time.monotonic()
    time.sleep(rest_s)
    used = _cpu_s(state.id)
    spent = sum(seconds - before.get(pid, 0.0) for pid, seconds in used.items())
    cores = spent / (time.monotonic() - began)
    resident, proportional = _memory(state.id)
    dashboard = DashboardClient(state.dashboard, token(command.home))
    try:
        reserved = read_reservations(dashboard.details())
    finally:
        dashboard.close()
    return RoomTaken(first_200_s, resident, proportional, reserved, cores, len(used))


def _cpu_s(cluster: str) -> dict[int, float]:
    """CPU seconds of each process of the cluster, by its pid."""
    used = {}
    for process in cluster_processes(cluster):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        used[process.pid] = times.user + times.system
    return used


def _memory(cluster: str) -> tuple[dict[str, float], dict[str, float]]:
    """MiB by kind of process: resident, and proportional."""
    resident: dict[str, float] = {}
    proportional: dict[str, float] = {}
    for kind, processes in group_by_kind(cluster_processes(cluster)).items():
        for process in processes:
            try:
                memory = process.memory_full_info()
                name = kind if kind != "other" else name_other(process.cmdline())
            except psutil.Error:
                continue
            resident[name] = resident.get(name, 0.0) + memory.rss / _MIB
            proportional[name] = proportional.get(name, 0.0) + memory.pss / _MIB
    return resident, proportional


def name_other(command: Sequence[str]) -> str:
    line = " ".join(command)
    return next((name for part, name in OTHERS.items() if part in line), "other")


def read_reservations(details: Mapping[str, Any]) -> dict[str, float]:
    """CPUs by deployment, of all its replicas, from Serve's status."""
    return {
        name: deployment["target_num_replicas"]
        * float(deployment["deployment_config"]["ray_actor_options"].get("num_cpus", 1.0))
        for application in details["applications"].values()
        for name, deployment in application["deployments"].items()
    }


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
    rows.append(Measurement("CPU", "cores used at rest", room.median(lambda s: s.cores_at_rest)))
    for other in rooms[1:]:
        theirs = other.median(lambda start: start.cores_at_rest)
        rows.append(Measurement("CPU", f"cores used at rest at {other.name}", theirs))
    for name, cpus in last.reserved.items():
        rows.append(Measurement("reserved CPUs", name, cpus))
    total = round(sum(last.reserved.values()), 6)
    rows.append(Measurement("reserved CPUs", "all deployments", total, at_most=MOST_CPUS))
    return rows


if __name__ == "__main__":
    sys.exit(main())
