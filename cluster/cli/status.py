"""`mobula status`: is there a cluster, does it answer, what does it consist of and how does it do.

How replicas, load and breakers stand is asked of the cluster itself, with the admin key; where that
does not work (no key, an older cluster, one that is starting), Ray's dashboard says how many run.
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

EVERY_S = 1.0
STATUS_S = 5.0  # what the cluster may take to say how it scales


def run(watch: bool = False) -> int:
    """Print it; with `watch` on a terminal, show it anew each second until Ctrl-C."""
    settings = Settings()
    if watch and console.is_terminal:
        return _watch(settings)
    code, shown = look(settings)
    with suppress(OSError):
        console.print(shown)
    return code


def _watch(settings: Settings) -> int:
    code, shown = look(settings)
    with suppress(KeyboardInterrupt), Live(shown, console=console, auto_refresh=False) as live:
        while True:
            time.sleep(EVERY_S)
            code, shown = look(settings)
            live.update(shown, refresh=True)
    return code


def look(settings: Settings) -> tuple[int, RenderableType]:
    """0 if the cluster answers requests, else 1; and what there is to see."""
    state, watching = states.load(settings.home), supervisions.load(settings.home)
    if state is None:
        return 1, _not_running(watching)
    if state.is_abandoned() and (watching is None or not watching.is_alive()):
        return 1, "the remains of a killed `up` are here; `mobula down` clears them"
    verify = verification(state.certificate)
    with httpx.Client(timeout=2.0, trust_env=False, verify=verify) as http:
        ready = is_ready(http, state.url)
    return (0 if ready else 1), Group(*_parts(state, settings, ready=ready))


def _not_running(watching: Supervision | None) -> str:
    """A cluster that is started again has no record for a moment; one that was given up, none."""
    if watching is None or (watching.phase != "gave up" and not watching.is_alive()):
        return "not running"
    return f"not running\n  supervisor  {escape(str(watching))}"


def _parts(state: ClusterState, settings: Settings, *, ready: bool) -> Iterator[RenderableType]:
    word = "[bold green]ready[/]" if ready else f"[bold yellow]{state.phase}, not answering[/]"
    minutes = (SystemClock().wall() - state.started) / 60
    yield f"{word} {state.url}  (profile {state.profile}, up {minutes:.0f} min)"
    yield f"  a node of   {state.gcs}" if state.joined else f"  dashboard  {state.dashboard}"
    watching = supervisions.load(settings.home)
    if watching is not None:
        yield f"  supervisor {escape(str(watching))}"
    yield _processes(state)
    found, why = _scaling(state, settings)
    if found is not None:
        yield scaling_view(found)
        return
    if ready:
        yield f"  load and decisions cannot be shown: {escape(why)}"
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
    """What the cluster says, or why it says nothing."""
    try:
        with client(state, settings, STATUS_S) as http:
            answer = http.get("/api/v1/scaling/status")
        if answer.is_success:
            return answer.json(), ""
        return None, str(answer.json().get("detail", answer.status_code))
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
