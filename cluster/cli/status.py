"""`mobula status`: is there a cluster, does it answer, what does it consist of."""

import httpx
import psutil
from rich.table import Table

from cluster.cli.screen import console, say
from cluster.clock import SystemClock
from cluster.ops import state as states
from cluster.ops.dashboard import Dashboard, DashboardRefused
from cluster.ops.processes import members
from cluster.ops.startup import is_ready, token
from cluster.ops.state import ClusterState
from cluster.settings import Settings


def run() -> int:
    home = Settings().home
    state = states.load(home)
    if state is None:
        say("not running")
        return 1
    if state.is_abandoned():
        say("the remains of a killed `up` are here; `mobula down` clears them")
        return 1
    with httpx.Client(timeout=2.0, trust_env=False) as http:
        ready = is_ready(http, state.url)
    word = "[bold green]ready[/]" if ready else f"[bold yellow]{state.phase}, not answering[/]"
    minutes = (SystemClock().wall() - state.started) / 60
    say(f"{word} {state.url}  (profile {state.profile}, up {minutes:.0f} min)")
    say(f"  dashboard  {state.dashboard}")
    _show_processes(state)
    _show_deployments(state, token(home))
    return 0 if ready else 1


def _show_processes(state: ClusterState) -> None:
    processes = members(state.id)
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    say(f"  processes  {len(processes)}, {total / 2**30:.1f} GiB resident (shared pages counted)")


def _show_deployments(state: ClusterState, ray_token: str) -> None:
    dashboard = Dashboard(state.dashboard, ray_token)
    try:
        status = dashboard.status()
    except (httpx.HTTPError, DashboardRefused) as error:
        say(f"  the dashboard does not answer: {error}")
        return
    finally:
        dashboard.close()
    table = Table("deployment", "replicas running/wanted")
    for name, counts in status.deployments.items():
        table.add_row(name, counts)
    console.print(table)
    if status.message:
        console.print(status.message, markup=False)
