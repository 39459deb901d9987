"""Bringing a cluster up: from nothing to the first 200 of `/readyz`.

Flows in: a `StartPlan`. Flows out: the running cluster's state, or `StartFailed` with sentences for
the operator, after everything that was started has been ended again.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from cluster.ops import cluster_state as states
from cluster.ops import gcs_store
from cluster.ops.cluster_state import ClusterState
from cluster.ops.dashboard import AppStatus, DashboardClient, DashboardRefused
from cluster.ops.environment import environment, haproxy_folder
from cluster.ops.last_good_config import LastGoodConfig
from cluster.ops.logs import relevant_lines, tail
from cluster.ops.nodes import Node
from cluster.ops.ports import listens
from cluster.ops.processes import ClusterId
from cluster.ops.shutdown import sweep
from cluster.ops.start_plan import StartFailed, StartPlan
from cluster.ops.tls import certificate_of, verification
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.installation import working_folder
from cluster.storage.files import PRIVATE_UMASK, make_private, write_private

POLL_S = 0.1
STATUS_EVERY_S = 1.0
KEPT_SESSIONS = 2  # folders of Ray's logs from earlier starts

Say = Callable[[str], None]


class Startup:
    """One attempt. `start` may be interrupted at any point: `undo` ends what is there."""

    def __init__(
        self,
        plan: StartPlan,
        say: Say,
        clock: Clock | None = None,
        *,
        deployed: LastGoodConfig | None = None,
    ) -> None:
        """`deployed` is what is to run instead of the plan's file."""
        self.plan = plan
        self._deployed = deployed
        self._say = say
        self._clock = clock or SystemClock()
        self._began = self._clock.monotonic()
        self._ray: subprocess.Popen[bytes] | None = None
        self.before_undo: Callable[[], None] = lambda: None
        self._outlives_ray = gcs_store.is_kept(plan.settings)
        self.state = self._new_state()

    def _new_state(self) -> ClusterState:
        settings = self.plan.settings
        return ClusterState(
            id=secrets.token_hex(8),
            phase="starting",
            detached=self.plan.detached,
            owner=ClusterId.this(),
            url=self.plan.url,
            dashboard=f"http://127.0.0.1:{settings.dashboard_port}",
            gcs=f"{settings.node_address}:{settings.gcs_port}",
            ray_dir=str(states.ray_dir(settings.home)),
            haproxy_dir=str(haproxy_folder()),
            profile=self.plan.profile,
            started=self._clock.wall(),
            certificate=certificate_of(settings),
        )

    def start(self) -> ClusterState:
        """Everything up to the first 200. On failure, undoes itself."""
        try:
            wanted = self._deployed or LastGoodConfig(self.plan.asked(), self.plan.serve_config())
            states.save(self.plan.home, self.state)
            self._start_ray()
            dashboard = DashboardClient(self.state.dashboard, token(self.plan.home))
            with contextlib.closing(dashboard):
                self._await_dashboard(dashboard)
                self._await_nodes(dashboard)
                self._deploy(dashboard, wanted.sent)
                self._await_ready(dashboard)
        except BaseException:
            self.before_undo()
            self.undo()
            raise
        self.state = self.state.ready()
        states.save(self.plan.home, self.state)
        wanted.keep(self.plan.home)
        make_private(Path(self.state.ray_dir))  # Ray opens its folder to everybody
        self._outlives_ray = True
        return self.state

    def undo(self) -> None:
        """End every process. A cluster that was ready once may be started again, where a Redis
        keeps it."""
        sweep(self.plan.home, self.state, grace_s=0.5)
        if not self._outlives_ray:
            gcs_store.forget(self.plan.settings)

    def end(self) -> None:
        """End it for good."""
        self._outlives_ray = False
        self.undo()

    def is_alive(self) -> bool:
        """Whether Ray's control process still listens."""
        return listens(self.state.gcs)

    def elapsed(self) -> float:
        return self._clock.monotonic() - self._began

    # 1. Ray's own processes.
    def _start_ray(self) -> None:
        folder = Path(self.state.ray_dir)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        forget_old_sessions(folder)
        token(self.plan.home)
        node = Node.of(self.plan.settings, folder)
        node = node if node.cpus is not None else replace(node, cpus=self.plan.cpus)
        haproxy = Path(self.state.haproxy_dir)
        env = environment(
            self.plan.profile, node.ports, self.state.id, self.plan.home, haproxy,
            os.cpu_count() or 1, one_machine=node.one_machine,
        )  # fmt: skip
        store = gcs_store.from_settings(self.plan.settings)
        more, beside = (store.options(), store.environment()) if store else ((), {})
        with self._ray_log.open("wb") as log:
            self._ray = subprocess.Popen(
                node.head_command(*more),
                cwd=working_folder(), env=env | beside,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C is ours, not Ray's
                umask=PRIVATE_UMASK,
            )  # fmt: skip
        self._say("starting Ray")

    @property
    def _ray_log(self) -> Path:
        return Path(self.state.ray_dir) / "ray-start.log"

    def _await_dashboard(self, dashboard: DashboardClient) -> None:
        while not dashboard.is_up():
            self._check_ray()
            self._pause("Ray's dashboard did not come up")

    def _await_nodes(self, dashboard: DashboardClient) -> None:
        """Replicas are spread over the nodes that are there, and do not move when more come."""
        while (found := self._nodes(dashboard)) < self.plan.nodes:
            self._check_ray()
            self._say(f"waiting for nodes ({found} of {self.plan.nodes} are here)")
            self._pause("the other nodes did not `mobula join`")

    def _nodes(self, dashboard: DashboardClient) -> int:
        if self.plan.nodes == 1:
            return 1
        try:
            return dashboard.nodes()
        except (DashboardRefused, httpx.HTTPError):
            return 0  # busy; asked again

    # 2. Our applications.
    def _deploy(self, dashboard: DashboardClient, config: Mapping[str, Any]) -> None:
        self._say("deploying")
        try:
            dashboard.deploy(config)
        except (DashboardRefused, httpx.HTTPError) as error:
            raise StartFailed(f"Serve refused {self.plan.config}:\n{error}") from None

    def _await_ready(self, dashboard: DashboardClient) -> None:
        self._say("loading models")
        next_status = self._clock.monotonic() + STATUS_EVERY_S
        verify = verification(self.state.certificate)
        with httpx.Client(trust_env=False, timeout=2.0, verify=verify) as http:
            while not is_ready(http, self.plan.url):
                self._check_ray()
                if self._clock.monotonic() >= next_status:
                    self._report(dashboard)
                    next_status = self._clock.monotonic() + STATUS_EVERY_S
                self._pause("the applications did not become ready")

    def _report(self, dashboard: DashboardClient) -> None:
        try:
            status = dashboard.status()
        except (DashboardRefused, httpx.HTTPError):
            return  # busy; asked again in a second
        if status.failed:
            raise StartFailed(f"deploying failed\n{self._why(status)}")
        waiting = [
            f"{name} {counts}"
            for name, counts in status.deployments.items()
            if len(set(counts.split("/"))) > 1
        ]
        self._say("loading models" + (f" (waiting for {', '.join(waiting)})" if waiting else ""))

    # 3. What went wrong.
    def _check_ray(self) -> None:
        code = self._ray.poll() if self._ray else None
        if code not in (None, 0):
            raise StartFailed(f"`ray start` ended with status {code}\n{tail(self._ray_log, 15)}")

    def _pause(self, reason: str) -> None:
        if self.elapsed() > self.plan.timeout_s:
            limit = f"{self.plan.timeout_s:g} s (--timeout)"
            raise StartFailed(f"{reason} within {limit}\n{self._why(None)}")
        time.sleep(POLL_S)

    def _why(self, status: AppStatus | None) -> str:
        if status is not None and status.message:
            return status.message
        return relevant_lines(Path(self.state.ray_dir))


def is_ready(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def token(home: Path) -> str:
    """Ray's cluster token, made on first use."""
    path = home / "ray.token"
    if not path.exists():
        write_private(path, secrets.token_hex(32).encode())
    return path.read_text().strip()


def forget_old_sessions(folder: Path) -> None:
    """Keep the logs of the latest starts only."""
    sessions = sorted(path for path in folder.glob("session_2*") if path.is_dir())
    for session in sessions[: -KEPT_SESSIONS or None]:
        shutil.rmtree(session, ignore_errors=True)
