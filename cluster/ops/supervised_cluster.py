"""A cluster of this machine, as its supervisor handles it (cluster/ops/supervisor.py)."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from cluster.ops import cluster_state as states
from cluster.ops import gcs_store
from cluster.ops.cluster_monitor import ClusterMonitor, Prober, probe_targets
from cluster.ops.cluster_state import ClusterState
from cluster.ops.last_good_config import LastGoodConfig
from cluster.ops.ports import Ports
from cluster.ops.processes import send
from cluster.ops.roles import Role, by_role
from cluster.ops.shutdown import sweep
from cluster.ops.start_plan import StartFailed, StartPlan, check_ports_free
from cluster.ops.startup import Say, Startup

FLUSH_S = 1.5  # replicas write usage and audit records once a second
GRACE_S = 0.5


# What the system, and not the configuration, may have against a start: no space, no process.
OUTSIDE = (OSError, RuntimeError, subprocess.SubprocessError, psutil.Error, httpx.HTTPError)


class EndedElsewhere(Exception):
    """The cluster was ended, or replaced, by somebody else: there is nothing to supervise."""


class SupervisedCluster:
    """Use as a context manager, once the cluster is ready."""

    def __init__(
        self,
        plan: StartPlan,
        state: ClusterState,
        say: Say,
        *,
        before_undo: Callable[[], None] = lambda: None,
        after_undo: Callable[[], None] = lambda: None,
        count_cpus: Callable[[Mapping[str, Any]], int | None] = lambda _: None,
        exclusive: bool = False,
    ) -> None:
        """`before_undo` and `after_undo` are called around the end of what a failed start left;
        `count_cpus` says by how many CPUs Ray places replicas of a configuration; `exclusive`:
        this process holds the right to start (`states.starting`) already."""
        self._plan = replace(plan, nodes=1)  # those that are left wait for the head
        self.state = state
        self._say = say
        self._before_undo, self._after_undo = before_undo, after_undo
        self._count_cpus = count_cpus
        self._exclusive = exclusive
        self._recorded: str | None = state.id  # what `cluster.json` says, as far as we know

    def __enter__(self) -> "SupervisedCluster":
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._prober.__exit__()

    def _begin(self) -> None:
        self._watch = ClusterMonitor(self.state)
        self._prober = Prober(probe_targets(self.state)).__enter__()

    def away(self) -> Mapping[Role, float]:
        """Raises EndedByOthers."""
        self._check_record()
        return self._watch.away()

    def silent(self) -> Mapping[str, float]:
        return self._prober.silent()

    def revive(self, role: Role) -> None:
        command = self._watch.commands.get(role)
        if command is None:
            raise OSError("how it was started is not known")
        with (Path(self.state.ray_dir) / f"{role}-again.log").open("ab") as log:
            subprocess.Popen(
                list(command.arguments), cwd=command.folder, env=dict(command.environment),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _check_record(self) -> None:
        found = states.load(self._plan.home)
        if (found.id if found else None) != self._recorded:
            raise EndedElsewhere

    def obstacle(self) -> str | None:
        """Without its Redis a head cannot be started again; what is left of it serves meanwhile.
        Raises EndedByOthers."""
        self._check_record()
        return gcs_store.connection_error(self._plan.settings)

    def start_again(self) -> None:
        """Raises StartFailed, EndedByOthers."""
        try:
            self._start_alone()
        except OUTSIDE as error:
            raise StartFailed(f"{type(error).__name__}: {error}") from error

    def _start_alone(self) -> None:
        lock = (
            contextlib.nullcontext(True)
            if self._exclusive
            else states.startup_lock(self._plan.home)
        )
        with lock as alone:
            if not alone:
                raise StartFailed("another `mobula up` is at work here")
            self._check_record()
            self._prober.__exit__()
            self._end_what_is_left()
            self.state = self._start()
            self._begin()

    def _end_what_is_left(self) -> None:
        """Without HAProxy nothing new comes in, and what still lives can write its records."""
        found = by_role(self.state.id)
        if "raylet" in found:
            send(signal.SIGTERM, found.get("haproxy", ()))
            time.sleep(FLUSH_S)
        sweep(self._plan.home, self.state, GRACE_S)
        self._recorded = None
        check_ports_free(Ports.of(self._plan.settings))

    def _start(self) -> ClusterState:
        """With what was deployed last, whatever has become of the file since. Where that does not
        start and was never seen to work, the next attempt is with what was."""
        plan = self._plan
        deployed = LastGoodConfig.load_last(plan.home)
        if deployed is not None:
            deployed = replace(deployed, sent=plan.addressed(deployed.sent))
            plan = replace(plan, cpus=self._count_cpus(deployed.asked))
        startup = Startup(plan, self._say, deployed=deployed)
        startup.before_undo = self._before_undo
        self.state = startup.state
        try:
            state = startup.start()
        except StartFailed:
            LastGoodConfig.discard_pending(plan.home)
            self._after_undo()
            raise
        self._recorded = state.id
        return state

    def end(self, *, for_good: bool) -> None:
        """End every process; `for_good` also what a Redis keeps of it."""
        sweep(self._plan.home, self.state, GRACE_S)
        if for_good:
            gcs_store.forget(self._plan.settings)
