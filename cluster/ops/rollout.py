"""Rolls a configuration out onto a running cluster: sends it and waits until it runs.

In: the new configuration. Out: a `RolloutResult`. `/readyz` is polled meanwhile over new
connections, as a load balancer does.
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
SETTLED_S = 5.0  # Serve starts a rollout within a second
STUCK_S = 20.0  # then Serve's messages are printed

PrintLine = Callable[[str], None]


class RollFailed(Exception):
    """The rollout failed; the message is for the operator."""


class RolloutTimeout(RollFailed):
    """The rollout was not complete in time and continues."""


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """`replaced` replicas in `seconds`; `unready` of `probes` of `/readyz` were not 200."""

    replaced: int
    seconds: float
    probes: int
    unready: int


class ReadinessPoller:
    """Polls `/readyz` from a thread while entered; counts from the first 200 on."""

    def __init__(self, url: str, verify: ssl.SSLContext | bool = True) -> None:
        self._url = url
        self._verify = verify
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readyz", daemon=True)
        self.probes = self.unready = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(trust_env=False, timeout=5.0, limits=limits, verify=self._verify) as http:
            while not self._stopped.wait(PROBE_S):
                ready = False
                with contextlib.suppress(httpx.HTTPError):
                    ready = http.get(f"{self._url}/readyz").status_code == 200
                if ready or self.probes:
                    self.probes += 1
                    self.unready += not ready


class Rollout:
    """A rollout to the cluster at `url`; `verify` is httpx's for its certificate."""

    def __init__(
        self,
        dashboard: DashboardClient,
        url: str,
        print_line: PrintLine,
        clock: Clock | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._dashboard = dashboard
        self._url = url
        self._verify = verify
        self._print_line = print_line
        self._clock = clock or SystemClock()

    def roll(self, config: Mapping[str, Any], timeout_s: float, wait: bool = True) -> RolloutResult:
        """Sends `config`; with `wait`, waits for completion. Raises RollFailed, RolloutTimeout."""
        started = self._clock.monotonic()
        sent = {app["name"]: app for app in config["applications"]}
        old = to_replace(self._dashboard.details(), sent)
        with ReadinessPoller(self._url, self._verify) as poller:
            self._send(config)
            if wait:
                self._wait_until_done(old, started + timeout_s)
        seconds = self._clock.monotonic() - started
        replaced = old.difference(*replicas(self._dashboard.details()).values())
        return RolloutResult(len(replaced), seconds, poller.probes, poller.unready)

    def _send(self, config: Mapping[str, Any]) -> None:
        self._print_line("sending the configuration")
        try:
            self._dashboard.deploy(config)
        except (DashboardRefused, httpx.HTTPError) as error:
            raise RollFailed(f"Serve refused it; nothing was changed:\n{error}") from None

    def _wait_until_done(self, old: frozenset[str], deadline: float) -> None:
        last_change = last_printed = self._clock.monotonic()
        last: Progress | None = None
        while True:
            now, status = self._clock.monotonic(), self._get_progress(old)
            last_change = last_change if status == last else now
            if self._is_finished(status, now - last_change):
                return
            if now > deadline:
                raise RolloutTimeout(
                    f"not complete in time; the rollout continues\n{_waiting_messages(status)}"
                )
            if now - max(last_change, last_printed) > STUCK_S and _waiting_messages(status):
                self._print_line(f"waiting\n{_waiting_messages(status)}")
                last_printed = now
            elif status is not None:
                self._print_line(f"rolling ({str(status) or 'waiting for Serve'})")
            last = status
            time.sleep(POLL_S)

    @staticmethod
    def _is_finished(status: Progress | None, stable_s: float) -> bool:
        """Raises RollFailed if Serve gave up."""
        if status is None:
            return False
        if status.failure is not None:
            raise RollFailed(status.failure)
        return status.done or (status.settled and stable_s > SETTLED_S)

    def _get_progress(self, old: frozenset[str]) -> Progress | None:
        """The progress; None while the dashboard or Serve's controller does not respond."""
        try:
            return progress(self._dashboard.details(), old)
        except (DashboardRefused, httpx.HTTPError):
            return None


def _waiting_messages(status: Progress | None) -> str:
    """Serve's messages about the deployments that are not complete."""
    deployments = status.deployments if status is not None else ()
    messages = {
        deployment.message
        for deployment in deployments
        if not deployment.done and deployment.message
    }
    return "\n".join(sorted(messages))
