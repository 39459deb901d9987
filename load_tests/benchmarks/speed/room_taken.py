"""One start of a default `up`: how long it takes, and what its processes take of the machine.

In: the tree of a commit. Out: a RoomTaken. Nothing of the cluster is left afterwards.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from cluster.ops.dashboard import DashboardClient
from cluster.ops.processes import cluster_processes
from cluster.ops.startup import token
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import admin_key
from load_tests.benchmarks.common.mobula_command import MobulaCommand
from load_tests.benchmarks.common.process_kinds import group_by_kind

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


@dataclass(frozen=True)
class RoomTaken:
    """Of one start. Memory in MiB by kind of process, reserved CPUs by deployment; `cores_at_rest`
    are CPU seconds a second by kind of process."""

    first_200_s: float
    resident: Mapping[str, float]
    proportional: Mapping[str, float]
    reserved: Mapping[str, float]
    cores_at_rest: Mapping[str, float]
    processes: int


def measure_start(tree: Path, settle_s: float, rest_s: float) -> RoomTaken:
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
            time.sleep(settle_s)
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
    used, took_s = _cpu_s(state.id), time.monotonic() - began
    cores: dict[str, float] = {}
    for pid, (name, seconds) in used.items():
        _, earlier = before.get(pid, (name, 0.0))
        cores[name] = cores.get(name, 0.0) + (seconds - earlier) / took_s
    resident, proportional = _memory(state.id)
    dashboard = DashboardClient(state.dashboard, token(command.home))
    try:
        reserved = read_reservations(dashboard.details())
    finally:
        dashboard.close()
    return RoomTaken(first_200_s, resident, proportional, reserved, cores, len(used))


def _named_processes(cluster: str) -> Iterator[tuple[str, psutil.Process]]:
    """Every process of the cluster, by what it is."""
    for kind, processes in group_by_kind(cluster_processes(cluster)).items():
        for process in processes:
            with suppress(psutil.Error):
                yield kind if kind != "other" else name_other(process.cmdline()), process


def _cpu_s(cluster: str) -> dict[int, tuple[str, float]]:
    """What each process is, and the CPU seconds that it has used, by its pid."""
    used = {}
    for name, process in _named_processes(cluster):
        with suppress(psutil.Error):
            times = process.cpu_times()
            used[process.pid] = name, times.user + times.system
    return used


def _memory(cluster: str) -> tuple[dict[str, float], dict[str, float]]:
    """MiB by kind of process: resident, and proportional."""
    resident: dict[str, float] = {}
    proportional: dict[str, float] = {}
    for name, process in _named_processes(cluster):
        with suppress(psutil.Error):
            memory = process.memory_full_info()
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
