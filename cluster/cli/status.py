"""`mobula status`: whether a cluster runs and answers, its processes, replicas and load.

Replicas, load and breakers come from the cluster's API with the admin key. Where that fails (no
key, an older cluster, one that is starting), Ray's dashboard gives the replica counts.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import psutil
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from cluster.cli.output import console
from cluster.cli.running_cluster import client
from cluster.cli.scaling_view import scaling_view
from cluster.ops import cluster_state as states
from cluster.ops import supervision as supervisions
from cluster.ops.cluster_state import ClusterState
from cluster.ops.dashboard import DashboardClient, DashboardRefused
from cluster.ops.processes import cluster_processes
from cluster.ops.startup import is_ready, token
from cluster.ops.supervision import Supervision
from cluster.ops.tls import verification
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings

REFRESH_S = 1.0
STATUS_TIMEOUT_S = 5.0  # for the scaling status


def run(watch: bool = False) -> int:
    """Prints the status; with `watch` on a terminal, refreshes it each second until Ctrl-C."""
    settings = Settings()
    if watch and console.is_terminal:
        return _watch(settings)
    code, shown = collect_status(settings)
    with suppress(OSError):
        console.print(shown)
    return code


def _watch(settings: Settings) -> int:
    code, shown = collect_status(settings)
    with suppress(KeyboardInterrupt), Live(shown, console=console, auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_S)
            code, shown = collect_status(settings)
            live.update(shown, refresh=True)
    return code


def collect_status(settings: Settings) -> tuple[int, RenderableType]:
    """The exit code (0 if the cluster answers requests, else 1) and the view."""
    state, supervision = states.load(settings.home), supervisions.load(settings.home)
    if state is None:
        return 1, _not_running(supervision)
    if state.is_abandoned() and (supervision is None or not supervision.is_alive()):
        return 1, "processes or files of a killed `up` remain; `mobula down` removes them"
    verify = verification(state.certificate)
    with httpx.Client(timeout=2.0, trust_env=False, verify=verify) as http:
        ready = is_ready(http, state.url)
    return (0 if ready else 1), Group(*_parts(state, settings, ready=ready))


def _not_running(supervision: Supervision | None) -> str:
    """Text without a state file: during a restart, and after the supervisor gave up."""
    if supervision is None or (supervision.phase != "gave up" and not supervision.is_alive()):
        return "not running"
    return f"not running\n  supervisor  {escape(str(supervision))}"


def _parts(state: ClusterState, settings: Settings, *, ready: bool) -> Iterator[RenderableType]:
    readiness = "[bold green]ready[/]" if ready else f"[bold yellow]{state.phase}, not answering[/]"
    minutes = (SystemClock().wall() - state.started) / 60
    yield f"{readiness} {state.url}  (profile {state.profile}, up {minutes:.0f} min)"
    yield f"  a node of   {state.gcs}" if state.joined else f"  dashboard  {state.dashboard}"
    supervision = supervisions.load(settings.home)
    if supervision is not None:
        yield f"  supervisor {escape(str(supervision))}"
    yield _processes(state)
    scaling, reason = _scaling(state, settings)
    if scaling is not None:
        yield scaling_view(scaling)
        return
    if ready:
        yield f"  load and decisions are not available: {escape(reason)}"
    if not state.joined:
        yield from _deployments(state, token(settings.home))


def _processes(state: ClusterState) -> str:
    processes = cluster_processes(state.id)
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return f"  processes  {len(processes)}, {total / 2**30:.1f} GiB resident (shared pages counted)"


def _scaling(state: ClusterState, settings: Settings) -> tuple[dict[str, Any] | None, str]:
    """The scaling status, or why it is not available."""
    try:
        with client(state, settings, STATUS_TIMEOUT_S) as http:
            response = http.get("/api/v1/scaling/status")
        if response.is_success:
            return response.json(), ""
        return None, str(response.json().get("detail", response.status_code))
    except (httpx.HTTPError, ValueError) as error:
        return None, str(error)


def _deployments(state: ClusterState, ray_token: str) -> Iterator[RenderableType]:
    dashboard = DashboardClient(state.dashboard, ray_token)
    try:
        status = dashboard.status()
    except (httpx.HTTPError, DashboardRefused) as error:
        yield f"  the dashboard does not answer: {escape(str(error))}"
        return
    finally:
        dashboard.close()
    table = Table("deployment", "replicas running/wanted")
    for name, counts in status.deployments.items():
        table.add_row(name, counts)
    yield table
    if status.message:
        yield escape(status.message)
