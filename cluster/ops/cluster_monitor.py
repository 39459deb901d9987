"""Health of a supervised cluster: missing processes, and HTTP probes without a response.

Processes are checked twice a second, at negligible cost. HTTP probes run in a thread, because a
busy machine takes seconds to respond.
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Self

import httpx
import psutil

from cluster.ops.cluster_state import ClusterState
from cluster.ops.processes import ClusterId
from cluster.ops.roles import BY_COMMAND, ProcessCommand, Role, by_role, needed_roles
from cluster.runtime.clock import Clock, SystemClock

PROBE_EVERY_S = 2.0
PROBE_TIMEOUT_S = 5.0
BUSY_PERCENT = 90.0
BUSY_WEIGHT = 0.2  # time without a response counts less while the CPUs are busy
LIVENESS = "/healthz"  # of an ingress replica; an error response of HAProxy counts as a response
CONTROL = "/api/gcs_healthz"  # Ray's GCS, through its dashboard


class ResponseGaps:
    """Time without a response by target, in seconds weighted by BUSY_WEIGHT on a busy machine."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def record(self, name: str, seconds: float, *, answered: bool, busy: bool) -> None:
        """Records a probe; `seconds` have passed since the last one of this target."""
        if answered:
            self._seconds.pop(name, None)
        else:
            weight = BUSY_WEIGHT if busy else 1.0
            self._seconds[name] = self._seconds.get(name, 0.0) + weight * seconds

    def seconds(self) -> Mapping[str, float]:
        """Seconds by target, of those without a response to the last probe."""
        return dict(self._seconds)


class Prober:
    """Probes the targets from a thread while the context is entered."""

    def __init__(self, targets: Mapping[str, str], clock: Clock | None = None) -> None:
        """`targets`: URLs by display name. Any HTTP response counts as alive."""
        self._targets = targets
        self._clock = clock or SystemClock()
        self._gaps = ResponseGaps()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor-probe", daemon=True)

    def __enter__(self) -> Self:
        psutil.cpu_percent()  # the next call measures from here
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def silent(self) -> Mapping[str, float]:
        return self._gaps.seconds()

    def _run(self) -> None:
        last_probe = self._clock.monotonic()
        limits = httpx.Limits(max_keepalive_connections=0)
        timeout = PROBE_TIMEOUT_S
        # The certificate is not verified: only whether there is a response matters.
        with httpx.Client(trust_env=False, verify=False, timeout=timeout, limits=limits) as http:
            while not self._stopped.wait(PROBE_EVERY_S):
                responses = {name: _responds(http, url) for name, url in self._targets.items()}
                now = self._clock.monotonic()
                busy = psutil.cpu_percent() >= BUSY_PERCENT
                for name, answered in responses.items():
                    self._gaps.record(name, now - last_probe, answered=answered, busy=busy)
                last_probe = now


def _responds(http: httpx.Client, url: str) -> bool:
    try:
        http.get(url)
    except (httpx.TimeoutException, httpx.ConnectError):
        return False
    except httpx.HTTPError:
        return True
    return True


def probe_targets(state: ClusterState) -> dict[str, str]:
    return {"the API": f"{state.url}{LIVENESS}", "Ray's control": f"{state.dashboard}{CONTROL}"}


class ClusterMonitor:
    """Tracks the processes of each role; finds those again that Serve replaced."""

    def __init__(self, state: ClusterState, clock: Clock | None = None) -> None:
        self._state = state
        self._clock = clock or SystemClock()
        self._needed = needed_roles(state.profile)
        self._processes_by_role: dict[Role, list[ClusterId]] = {}
        self._missing_since: dict[Role, float] = {}
        self.commands: dict[Role, ProcessCommand] = {}
        self._find_processes()

    def away(self) -> dict[Role, float]:
        """Missing roles, with the seconds since they went missing."""
        missing = self._missing_roles()
        if missing:
            self._find_processes()
            missing = self._missing_roles()
        now = self._clock.monotonic()
        self._missing_since = {role: self._missing_since.get(role, now) for role in missing}
        return {role: now - since for role, since in self._missing_since.items()}

    def _missing_roles(self) -> Sequence[Role]:
        """Roles whose processes have ended; roles that never had a process do not count."""
        return [
            role
            for role in self._needed
            if role in self._processes_by_role
            and not any(owner.process() for owner in self._processes_by_role[role])
        ]

    def _find_processes(self) -> None:
        for role, processes in by_role(self._state.id).items():
            owners: list[ClusterId] = []
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    owners.append(ClusterId(process.pid, process.create_time()))
                    if role in BY_COMMAND:
                        self.commands[role] = ProcessCommand.of(process)
            self._processes_by_role[role] = owners
