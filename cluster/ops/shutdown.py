"""Stops a cluster: drains it, ends every process, and deletes its state file.

Keys, tokens and logs stay.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from cluster.ops import cluster_state as states
from cluster.ops import supervision as supervisions
from cluster.ops.cluster_state import ClusterState
from cluster.ops.dashboard import DashboardClient, DashboardRefused
from cluster.ops.processes import ClusterId, cluster_processes, end_all, send, wait_until_gone
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.installation import working_folder
from cluster.runtime.settings import LOOPBACK, process_environment

PrintLine = Callable[[str], None]
GRACE_S = 1.5  # Ray's own shutdown takes 12 s and saves nothing that is needed
OWNER_TIMEOUT_S = 20.0
DRAIN_START_S = 10.0  # to contact the head, in addition to the time for requests


def stop_cluster(
    home: Path, drain_s: float, print_line: PrintLine, clock: Clock | None = None
) -> int | None:
    """Stops the cluster of this home, its supervisor first. Returns the number of ended processes;
    None if no cluster ran."""
    clock = clock or SystemClock()
    was_supervised = supervisions.stop(home, clock)
    owner = _foreground_owner(home)
    if owner is not None and _stop_owner(home, owner, print_line, clock):
        return 0
    supervisions.forget(home)
    state = states.load(home)
    if state is None:
        return 0 if was_supervised else None
    drain(home, state, drain_s, print_line)
    print_line("ending processes")
    return sweep(home, state)


def _foreground_owner(home: Path) -> ClusterId | None:
    """The process of a starting or foreground `up`."""
    state, supervision = states.load(home), supervisions.alive(home)
    if supervision is not None:  # also while the cluster is restarting
        return supervision.owner
    if state is None or (state.detached and state.phase == "ready"):
        return None
    return state.owner


def _stop_owner(home: Path, owner: ClusterId, print_line: PrintLine, clock: Clock) -> bool:
    """Ends a foreground `up`, which stops its cluster; returns whether it did in time."""
    if owner.process() is None:
        return False
    print_line(f"stopping `mobula up` (pid {owner.pid})")
    send(signal.SIGTERM, owner.processes())
    return wait_until_gone(owner.processes, OWNER_TIMEOUT_S, clock) and states.load(home) is None


def drain(home: Path, state: ClusterState, timeout_s: float, print_line: PrintLine) -> None:
    """Waits for running requests, for at most `timeout_s`."""
    if timeout_s <= 0 or not cluster_processes(state.id):
        return
    print_line("finishing running requests")
    if state.joined:
        _drain_this_node(home, state, timeout_s)
    else:
        _shut_down_serve(home, state, timeout_s)


def _shut_down_serve(home: Path, state: ClusterState, timeout_s: float) -> None:
    with contextlib.suppress(httpx.HTTPError, DashboardRefused, OSError):
        token = (home / "ray.token").read_text().strip()
        with contextlib.closing(DashboardClient(state.dashboard, token)) as dashboard:
            dashboard.drain(timeout_s)


def _drain_this_node(home: Path, state: ClusterState, timeout_s: float) -> None:
    """Drains this node only: other nodes take over, the cluster continues to serve."""
    env = {**process_environment(), "RAY_ADDRESS": state.gcs, "RAY_AUTH_MODE": "token"}
    env["RAY_AUTH_TOKEN_PATH"] = str(home / "ray.token")
    command = [sys.executable, "-m", "cluster.ops.node_drain", "--within", f"{timeout_s:g}"]
    if state.joined_as not in (None, LOOPBACK):  # Ray replaces loopback by the machine's address
        command += ["--address", str(state.joined_as)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            command, cwd=working_folder(), env=env, check=False, timeout=timeout_s + DRAIN_START_S,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def sweep(home: Path, state: ClusterState, grace_s: float = GRACE_S) -> int:
    """Ends every process and deletes the state file. Raises RuntimeError if some survive."""
    ended = end_all(lambda: cluster_processes(state.id), grace_s)
    survivors = cluster_processes(state.id)
    if survivors:
        names = ", ".join(f"{process.name()} ({process.pid})" for process in survivors)
        raise RuntimeError(f"could not end: {names}")
    shutil.rmtree(state.haproxy_dir, ignore_errors=True)
    states.forget(home)
    return ended
