"""Starts a cluster, until the first 200 of `/readyz`.

In: a `StartPlan`. Out: the running cluster's state, or `StartFailed` after every started process
was ended.
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
STATUS_INTERVAL_S = 1.0
KEPT_SESSIONS = 2  # Ray's log folders of earlier starts

PrintLine = Callable[[str], None]


class Startup:
    """One attempt to start. After an interruption at any point, `undo` ends what was started."""

    def __init__(
        self,
        plan: StartPlan,
        print_line: PrintLine,
        clock: Clock | None = None,
        *,
        deployed: LastGoodConfig | None = None,
    ) -> None:
        """`deployed`: the configuration to run instead of the plan's file."""
        self.plan = plan
        self._deployed = deployed
        self._print_line = print_line
        self._clock = clock or SystemClock()
        self._started = self._clock.monotonic()
        self._ray: subprocess.Popen[bytes] | None = None
        self.before_undo: Callable[[], None] = lambda: None
        self._keep_gcs_state = gcs_store.has_saved_state(plan.settings)
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
        """Starts the cluster and waits until it is ready; undoes the start on failure."""
        try:
            config = self._deployed or LastGoodConfig(
                self.plan.read_config(), self.plan.serve_config()
            )
            states.save(self.plan.home, self.state)
            self._start_ray()
            dashboard = DashboardClient(self.state.dashboard, token(self.plan.home))
            with contextlib.closing(dashboard):
                self._await_dashboard(dashboard)
                self._await_nodes(dashboard)
                self._deploy(dashboard, config.sent)
                self._await_ready(dashboard)
        except BaseException:
            self.before_undo()
            self.undo()
            raise
        self.state = self.state.ready()
        states.save(self.plan.home, self.state)
        config.save(self.plan.home)
        make_private(Path(self.state.ray_dir))  # Ray makes its folder accessible to all
        self._keep_gcs_state = True
        return self.state

    def undo(self) -> None:
        """Ends every process. The GCS state in Redis is kept if the cluster was ready once, so that
        it can be restarted."""
        sweep(self.plan.home, self.state, grace_s=0.5)
        if not self._keep_gcs_state:
            gcs_store.forget(self.plan.settings)

    def end(self) -> None:
        """Ends every process and deletes the GCS state."""
        self._keep_gcs_state = False
        self.undo()

    def is_alive(self) -> bool:
        """Whether Ray's GCS listens."""
        return listens(self.state.gcs)

    def elapsed(self) -> float:
        return self._clock.monotonic() - self._started

    # 1. Ray's processes.
    def _start_ray(self) -> None:
        folder = Path(self.state.ray_dir)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        delete_old_sessions(folder)
        token(self.plan.home)
        node = Node.of(self.plan.settings, folder)
        node = node if node.cpus is not None else replace(node, cpus=self.plan.cpus)
        haproxy = Path(self.state.haproxy_dir)
        env = environment(
            self.plan.profile, node.ports, self.state.id, self.plan.home, haproxy,
            os.cpu_count() or 1, one_machine=node.one_machine,
        )  # fmt: skip
        store = gcs_store.from_settings(self.plan.settings)
        redis_options, redis_environment = (
            (store.options(), store.environment()) if store else ((), {})
        )
        with self._ray_log.open("wb") as log:
            self._ray = subprocess.Popen(
                node.head_command(*redis_options),
                cwd=working_folder(), env=env | redis_environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # so that Ctrl-C reaches this process only
                umask=PRIVATE_UMASK,
            )  # fmt: skip
        self._print_line("starting Ray")

    @property
    def _ray_log(self) -> Path:
        return Path(self.state.ray_dir) / "ray-start.log"

    def _await_dashboard(self, dashboard: DashboardClient) -> None:
        while not dashboard.is_up():
            self._check_ray()
            self._sleep_or_fail("Ray's dashboard did not start")

    def _await_nodes(self, dashboard: DashboardClient) -> None:
        """Waits for all nodes: replicas are spread over the present ones and do not move later."""
        while (connected := self._nodes(dashboard)) < self.plan.nodes:
            self._check_ray()
            self._print_line(f"waiting for nodes ({connected} of {self.plan.nodes} connected)")
            self._sleep_or_fail("the other nodes did not `mobula join`")

    def _nodes(self, dashboard: DashboardClient) -> int:
        if self.plan.nodes == 1:
            return 1
        try:
            return dashboard.nodes()
        except (DashboardRefused, httpx.HTTPError):
            return 0  # busy; retried

    # 2. Applications.
    def _deploy(self, dashboard: DashboardClient, config: Mapping[str, Any]) -> None:
        self._print_line("deploying")
        try:
            dashboard.deploy(config)
        except (DashboardRefused, httpx.HTTPError) as error:
            raise StartFailed(f"Serve refused {self.plan.config}:\n{error}") from None

    def _await_ready(self, dashboard: DashboardClient) -> None:
        self._print_line("loading models")
        next_status = self._clock.monotonic() + STATUS_INTERVAL_S
        verify = verification(self.state.certificate)
        with httpx.Client(trust_env=False, timeout=2.0, verify=verify) as http:
            while not is_ready(http, self.plan.url):
                self._check_ray()
                if self._clock.monotonic() >= next_status:
                    self._report(dashboard)
                    next_status = self._clock.monotonic() + STATUS_INTERVAL_S
                self._sleep_or_fail("the applications did not become ready")

    def _report(self, dashboard: DashboardClient) -> None:
        try:
            status = dashboard.status()
        except (DashboardRefused, httpx.HTTPError):
            return  # busy; retried in a second
        if status.failed:
            raise StartFailed(f"the deployment failed\n{self._failure_reason(status)}")
        waiting = [
            f"{name} {counts}"
            for name, counts in status.deployments.items()
            if len(set(counts.split("/"))) > 1
        ]
        self._print_line(
            "loading models" + (f" (waiting for {', '.join(waiting)})" if waiting else "")
        )

    # 3. Failures.
    def _check_ray(self) -> None:
        code = self._ray.poll() if self._ray else None
        if code not in (None, 0):
            raise StartFailed(f"`ray start` ended with status {code}\n{tail(self._ray_log, 15)}")

    def _sleep_or_fail(self, reason: str) -> None:
        if self.elapsed() > self.plan.timeout_s:
            limit = f"{self.plan.timeout_s:g} s (--timeout)"
            raise StartFailed(f"{reason} within {limit}\n{self._failure_reason(None)}")
        time.sleep(POLL_S)

    def _failure_reason(self, status: AppStatus | None) -> str:
        if status is not None and status.message:
            return status.message
        return relevant_lines(Path(self.state.ray_dir))


def is_ready(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def token(home: Path) -> str:
    """Ray's cluster token, created on first use."""
    path = home / "ray.token"
    if not path.exists():
        write_private(path, secrets.token_hex(32).encode())
    return path.read_text().strip()


def delete_old_sessions(folder: Path) -> None:
    """Deletes Ray's logs except those of the latest starts."""
    sessions = sorted(path for path in folder.glob("session_2*") if path.is_dir())
    for session in sessions[: -KEPT_SESSIONS or None]:
        shutil.rmtree(session, ignore_errors=True)
