"""Taking a cluster down: drain, end every process, verify, forget.

Keys, tokens and logs stay; only the record of the running cluster goes.
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

Say = Callable[[str], None]
GRACE_S = 1.5  # Ray's own orderly end takes 12 s and saves nothing that we need
OWNER_S = 20.0
LEAVING_S = 10.0  # for starting to ask the head, beside what requests get


def stop_cluster(home: Path, drain_s: float, say: Say, clock: Clock | None = None) -> int | None:
    """End the cluster of this home, its supervisor first. Returns how many processes; None if
    there was no cluster."""
    clock = clock or SystemClock()
    was_supervised = supervisions.stop(home, clock)
    owner = _foreground(home)
    if owner is not None and _owner_did_it(home, owner, say, clock):
        return 0
    supervisions.forget(home)
    state = states.load(home)
    if state is None:
        return 0 if was_supervised else None
    drain(home, state, drain_s, say)
    say("ending processes")
    return sweep(home, state)


def _foreground(home: Path) -> ClusterId | None:
    """The `up` that starts a cluster, or stays with it, in the foreground."""
    state, watching = states.load(home), supervisions.alive(home)
    if watching is not None:  # also in the moment in which there is no cluster
        return watching.owner
    if state is None or (state.detached and state.phase == "ready"):
        return None
    return state.owner


def _owner_did_it(home: Path, owner: ClusterId, say: Say, clock: Clock) -> bool:
    """A foreground `up` ends its own cluster when it is told to; wait for that."""
    if owner.process() is None:
        return False
    say(f"stopping `mobula up` (pid {owner.pid})")
    send(signal.SIGTERM, owner.processes())
    return wait_until_gone(owner.processes, OWNER_S, clock) and states.load(home) is None


def drain(home: Path, state: ClusterState, timeout_s: float, say: Say) -> None:
    """Let running requests finish, for at most `timeout_s`."""
    if timeout_s <= 0 or not cluster_processes(state.id):
        return
    say("finishing running requests")
    if state.joined:
        _leave(home, state, timeout_s)
    else:
        _shut_serve_down(home, state, timeout_s)


def _shut_serve_down(home: Path, state: ClusterState, timeout_s: float) -> None:
    with contextlib.suppress(httpx.HTTPError, DashboardRefused, OSError):
        token = (home / "ray.token").read_text().strip()
        with contextlib.closing(DashboardClient(state.dashboard, token)) as dashboard:
            dashboard.drain(timeout_s)


def _leave(home: Path, state: ClusterState, timeout_s: float) -> None:
    """Only this node goes: the head lets others take over, the cluster serves on."""
    env = {**process_environment(), "RAY_ADDRESS": state.gcs, "RAY_AUTH_MODE": "token"}
    env["RAY_AUTH_TOKEN_PATH"] = str(home / "ray.token")
    command = [sys.executable, "-m", "cluster.ops.node_drain", "--within", f"{timeout_s:g}"]
    if state.joined_as not in (None, LOOPBACK):  # Ray takes that for the machine's own
        command += ["--address", str(state.joined_as)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            command, cwd=working_folder(), env=env, check=False, timeout=timeout_s + LEAVING_S,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def sweep(home: Path, state: ClusterState, grace_s: float = GRACE_S) -> int:
    """End every process of the cluster and forget it. Raises RuntimeError if some survive."""
    ended = end_all(lambda: cluster_processes(state.id), grace_s)
    survivors = cluster_processes(state.id)
    if survivors:
        names = ", ".join(f"{process.name()} ({process.pid})" for process in survivors)
        raise RuntimeError(f"could not end: {names}")
    shutil.rmtree(state.haproxy_dir, ignore_errors=True)
    states.forget(home)
    return ended
