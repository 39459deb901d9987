"""Rolling a configuration onto a running cluster: send it, watch it, and go back where it fails.

Flows in: what runs and what is to run. Flows out: a `RolloutResult`. `/readyz` is asked all the
while, over new connections, as a load balancer would.
"""

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from cluster.ops.dashboard import DashboardClient, DashboardRefused
from cluster.ops.rollout_status import Progress, progress, replicas, to_replace
from cluster.runtime.clock import Clock, SystemClock

POLL_S = 0.5
PROBE_S = 0.25
SETTLED_S = 5.0  # Serve begins what it has to do within a second
STUCK_S = 20.0  # then Serve's own words about what it waits for are shown

Say = Callable[[str], None]


class RollFailed(Exception):
    """Why the configuration does not run, written for the operator."""


class RolloutTimeout(RollFailed):
    """It was not done in time, and goes on."""


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """`replaced` replicas in `seconds`; of `probes` of `/readyz`, `unready` were not 200."""

    replaced: int
    seconds: float
    probes: int
    unready: int


class ReadinessPoller:
    """Asks `/readyz` from its own thread while it is entered; from the first 200 on, it counts."""

    def __init__(self, url: str, verify: ssl.SSLContext | bool = True) -> None:
        self._url = url
        self._verify = verify
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readyz", daemon=True)
        self.probes = self.unready = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(trust_env=False, timeout=5.0, limits=limits, verify=self._verify) as http:
            while not self._over.wait(PROBE_S):
                ready = False
                with contextlib.suppress(httpx.HTTPError):
                    ready = http.get(f"{self._url}/readyz").status_code == 200
                if ready or self.probes:
                    self.probes += 1
                    self.unready += not ready


class Rollout:
    """`url` is where the cluster answers; `verify` how its certificate is checked."""

    def __init__(
        self,
        dashboard: DashboardClient,
        url: str,
        say: Say,
        clock: Clock | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._dashboard = dashboard
        self._url = url
        self._verify = verify
        self._say = say
        self._clock = clock or SystemClock()

    def roll(self, config: Mapping[str, Any], timeout_s: float, wait: bool = True) -> RolloutResult:
        """Send it and wait until nothing else runs. Raises RollFailed, RollLate."""
        began = self._clock.monotonic()
        sent = {app["name"]: app for app in config["applications"]}
        old = to_replace(self._dashboard.details(), sent)
        with ReadinessPoller(self._url, self._verify) as probing:
            self._send(config)
            if wait:
                self._until_done(old, began + timeout_s)
        took = self._clock.monotonic() - began
        gone = old.difference(*replicas(self._dashboard.details()).values())
        return RolloutResult(len(gone), took, probing.probes, probing.unready)

    def _send(self, config: Mapping[str, Any]) -> None:
        self._say("sending")
        try:
            self._dashboard.deploy(config)
        except (DashboardRefused, httpx.HTTPError) as error:
            raise RollFailed(f"Serve refused it, and nothing was changed:\n{error}") from None

    def _until_done(self, old: frozenset[str], until: float) -> None:
        moved = shown = self._clock.monotonic()
        last: Progress | None = None
        while True:
            now, found = self._clock.monotonic(), self._ask(old)
            moved = moved if found == last else now
            if self._is_over(found, now - moved):
                return
            if now > until:
                raise RolloutTimeout(f"not done in time; it goes on\n{_waits(found)}")
            if now - max(moved, shown) > STUCK_S and _waits(found):
                self._say(f"waiting\n{_waits(found)}")
                shown = now
            elif found is not None:
                self._say(f"rolling ({str(found) or 'waiting for Serve'})")
            last = found
            time.sleep(POLL_S)

    @staticmethod
    def _is_over(found: Progress | None, still_s: float) -> bool:
        """Raises RollFailed where Serve gave up."""
        if found is None:
            return False
        if found.failure is not None:
            raise RollFailed(found.failure)
        return found.done or (found.still and still_s > SETTLED_S)

    def _ask(self, old: frozenset[str]) -> Progress | None:
        """None while it cannot be asked, such as while Serve's controller starts again."""
        try:
            return progress(self._dashboard.details(), old)
        except (DashboardRefused, httpx.HTTPError):
            return None


def _waits(found: Progress | None) -> str:
    """What Serve says of the deployments that are not done."""
    standings = found.standings if found is not None else ()
    words = {each.message for each in standings if not each.done and each.message}
    return "\n".join(sorted(words))
