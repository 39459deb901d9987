"""What a supervisor sees of its cluster: who of those it needs is away, and whether it answers.

Processes are looked at twice a second, which costs next to nothing while they live. Answers are
asked for by a thread of its own, because a busy machine takes seconds for one.
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
BUSY_WEIGHT = 0.2  # silence of a machine that has no CPU to spare counts for less
LIVENESS = "/healthz"  # of an ingress replica; an error of HAProxy's own is an answer, too
CONTROL = "/api/gcs_healthz"  # Ray's control, through its dashboard


class Silence:
    """For how long something has not answered, in seconds that a busy machine counts slowly."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def note(self, name: str, seconds: float, *, answered: bool, busy: bool) -> None:
        """`seconds` have passed since the last note of this name."""
        if answered:
            self._seconds.pop(name, None)
        else:
            weight = BUSY_WEIGHT if busy else 1.0
            self._seconds[name] = self._seconds.get(name, 0.0) + weight * seconds

    def seconds(self) -> Mapping[str, float]:
        """By name, of those that did not answer the last time."""
        return dict(self._seconds)


class Prober:
    """Asks from its own thread while it is entered."""

    def __init__(self, targets: Mapping[str, str], clock: Clock | None = None) -> None:
        """`targets`: URLs by what a person calls them. Any answer counts."""
        self._targets = targets
        self._clock = clock or SystemClock()
        self._silence = Silence()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor-probe", daemon=True)

    def __enter__(self) -> Self:
        psutil.cpu_percent()  # the next call tells of the time from here
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def silent(self) -> Mapping[str, float]:
        return self._silence.seconds()

    def _run(self) -> None:
        before = self._clock.monotonic()
        limits = httpx.Limits(max_keepalive_connections=0)
        timeout = PROBE_TIMEOUT_S
        # Who answers is not in question here, only whether anybody does.
        with httpx.Client(trust_env=False, verify=False, timeout=timeout, limits=limits) as http:
            while not self._over.wait(PROBE_EVERY_S):
                answers = {name: _answers(http, url) for name, url in self._targets.items()}
                now = self._clock.monotonic()
                busy = psutil.cpu_percent() >= BUSY_PERCENT
                for name, answered in answers.items():
                    self._silence.note(name, now - before, answered=answered, busy=busy)
                before = now


def _answers(http: httpx.Client, url: str) -> bool:
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
    """Knows who does what; whoever is away is looked for anew, as Serve may have replaced it."""

    def __init__(self, state: ClusterState, clock: Clock | None = None) -> None:
        self._state = state
        self._clock = clock or SystemClock()
        self._needed = needed_roles(state.profile)
        self._known: dict[Role, list[ClusterId]] = {}
        self._away_since: dict[Role, float] = {}
        self.commands: dict[Role, ProcessCommand] = {}
        self._look_for_all()

    def away(self) -> dict[Role, float]:
        """Those that are needed and not there, and for how many seconds."""
        lost = self._lost()
        if lost:
            self._look_for_all()
            lost = self._lost()
        now = self._clock.monotonic()
        self._away_since = {role: self._away_since.get(role, now) for role in lost}
        return {role: now - since for role, since in self._away_since.items()}

    def _lost(self) -> Sequence[Role]:
        """Not what was never there: a configuration may do without."""
        return [
            role
            for role in self._needed
            if role in self._known and not any(owner.process() for owner in self._known[role])
        ]

    def _look_for_all(self) -> None:
        for role, processes in by_role(self._state.id).items():
            owners: list[ClusterId] = []
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    owners.append(ClusterId(process.pid, process.create_time()))
                    if role in BY_COMMAND:
                        self.commands[role] = ProcessCommand.of(process)
            self._known[role] = owners
