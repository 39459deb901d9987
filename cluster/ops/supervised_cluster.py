"""A cluster of this machine as seen by its supervisor (cluster/ops/supervisor.py)."""

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
from cluster.ops.startup import PrintLine, Startup

FLUSH_S = 1.5  # replicas write usage and audit records once a second
GRACE_S = 0.5


# Failures of a start that come from the system, not from the configuration.
SYSTEM_ERRORS = (OSError, RuntimeError, subprocess.SubprocessError, psutil.Error, httpx.HTTPError)


class EndedElsewhere(Exception):
    """The cluster was stopped or replaced by another command; supervision ends."""


class SupervisedCluster:
    """A ready cluster; use as a context manager."""

    def __init__(
        self,
        plan: StartPlan,
        state: ClusterState,
        print_line: PrintLine,
        *,
        before_undo: Callable[[], None] = lambda: None,
        after_undo: Callable[[], None] = lambda: None,
        count_cpus: Callable[[Mapping[str, Any]], int | None] = lambda _: None,
        exclusive: bool = False,
    ) -> None:
        """`before_undo` and `after_undo` are called around the cleanup of a failed start;
        `count_cpus` returns the CPUs to declare for a configuration; `exclusive`: this process
        holds the startup lock already."""
        self._plan = replace(plan, nodes=1)  # other nodes wait for the head
        self.state = state
        self._print_line = print_line
        self._before_undo, self._after_undo = before_undo, after_undo
        self._count_cpus = count_cpus
        self._exclusive = exclusive
        self._expected_id: str | None = state.id  # expected in `cluster.json`

    def __enter__(self) -> "SupervisedCluster":
        self._start_monitoring()
        return self

    def __exit__(self, *_: object) -> None:
        self._prober.__exit__()

    def _start_monitoring(self) -> None:
        self._monitor = ClusterMonitor(self.state)
        self._prober = Prober(probe_targets(self.state)).__enter__()

    def away(self) -> Mapping[Role, float]:
        """Missing roles with their seconds. Raises EndedElsewhere."""
        self._check_record()
        return self._monitor.away()

    def silent(self) -> Mapping[str, float]:
        return self._prober.silent()

    def revive(self, role: Role) -> None:
        command = self._monitor.commands.get(role)
        if command is None:
            raise OSError("its command is unknown")
        with (Path(self.state.ray_dir) / f"{role}-again.log").open("ab") as log:
            subprocess.Popen(
                list(command.arguments), cwd=command.folder, env=dict(command.environment),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _check_record(self) -> None:
        state = states.load(self._plan.home)
        if (state.id if state else None) != self._expected_id:
            raise EndedElsewhere

    def obstacle(self) -> str | None:
        """Why a restart cannot succeed now: the Redis of the GCS state is unreachable. Raises
        EndedElsewhere."""
        self._check_record()
        return gcs_store.connection_error(self._plan.settings)

    def start_again(self) -> None:
        """Raises StartFailed, EndedElsewhere."""
        try:
            self._restart_locked()
        except SYSTEM_ERRORS as error:
            raise StartFailed(f"{type(error).__name__}: {error}") from error

    def _restart_locked(self) -> None:
        lock = (
            contextlib.nullcontext(True)
            if self._exclusive
            else states.startup_lock(self._plan.home)
        )
        with lock as lock_acquired:
            if not lock_acquired:
                raise StartFailed("another `mobula up` is starting here")
            self._check_record()
            self._prober.__exit__()
            self._end_remaining()
            self.state = self._start()
            self._start_monitoring()

    def _end_remaining(self) -> None:
        """Ends HAProxy first, so that no request arrives while replicas write their records."""
        roles = by_role(self.state.id)
        if "raylet" in roles:
            send(signal.SIGTERM, roles.get("haproxy", ()))
            time.sleep(FLUSH_S)
        sweep(self._plan.home, self.state, GRACE_S)
        self._expected_id = None
        check_ports_free(Ports.of(self._plan.settings))

    def _start(self) -> ClusterState:
        """Starts the configuration that was deployed last, not the file. If an unconfirmed one
        fails, the next attempt uses the last good one."""
        plan = self._plan
        deployed = LastGoodConfig.load_last(plan.home)
        if deployed is not None:
            deployed = replace(deployed, sent=plan.with_address(deployed.sent))
            plan = replace(plan, cpus=self._count_cpus(deployed.asked))
        startup = Startup(plan, self._print_line, deployed=deployed)
        startup.before_undo = self._before_undo
        self.state = startup.state
        try:
            state = startup.start()
        except StartFailed:
            LastGoodConfig.discard_pending(plan.home)
            self._after_undo()
            raise
        self._expected_id = state.id
        return state

    def end(self, *, for_good: bool) -> None:
        """Ends every process; `for_good` also deletes the GCS state in Redis."""
        sweep(self._plan.home, self.state, GRACE_S)
        if for_good:
            gcs_store.forget(self._plan.settings)
