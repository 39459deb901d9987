"""`mobula up`: start, say where it is, and in the foreground stay until told to end."""

import os
import time
from dataclasses import replace
from pathlib import Path

from cluster.cli.screen import Stages, fail, plain, say
from cluster.cli.signals import Interrupted, Interrupts
from cluster.ops import state as states
from cluster.ops.descriptors import Descriptors, raise_limit
from cluster.ops.plan import Plan, StartFailed, check
from cluster.ops.ports import listens
from cluster.ops.processes import members
from cluster.ops.profile import MAX_CONNECTIONS, PROFILES
from cluster.ops.startup import Startup
from cluster.ops.state import ClusterState
from cluster.settings import ROOT, Settings

WATCH_S = 1.0
DRAIN_S = 5.0


def run(
    detach: bool,
    config: Path | None,
    port: int | None,
    timeout: float,
    profile: str,
    logs: bool,
    nodes: int = 1,
) -> int:
    """The exit code."""
    chosen = next((each for each in PROFILES if each == profile), None)
    if chosen is None:
        return fail(f"no profile '{profile}'; profiles: {', '.join(PROFILES)}")
    settings = Settings() if port is None else Settings(http_port=port)
    plan = Plan(
        settings, config or ROOT / "serve_config.yaml", chosen, timeout, detach, nodes=nodes
    )
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with states.starting(settings.home) as alone:
        if not alone:
            return fail("another `mobula up` is at work here; `mobula down` ends it")
        try:
            return _start(replace(plan, cpus=_cpus(plan)), logs)
        except StartFailed as failure:
            return fail(str(failure))


def _cpus(plan: Plan) -> int | None:
    """With room for a roll, where it is known what is deployed; else Ray counts the cores."""
    from pydantic import ValidationError

    from graphs.args import AppArgs
    from graphs.room import cpus_to_count

    try:
        [app] = plan.asked()["applications"]
        return cpus_to_count(AppArgs.model_validate(app["args"]), os.cpu_count() or 1)
    except (ValidationError, ValueError, KeyError, TypeError):
        return None


def _start(plan: Plan, logs: bool) -> int:
    running = _running(plan.home)
    if running is not None:
        return fail(f"already running at {running.url}; `mobula down` ends it")
    from cluster.ops.shutdown import sweep

    check(plan)
    raise_limit()
    complaint = Descriptors.here().complaint(MAX_CONNECTIONS)
    if complaint is not None and plan.profile == "fast":
        say(complaint)
    key = _prepare(plan)
    stages = Stages()
    startup = Startup(plan, stages)
    interrupts = Interrupts(lambda: sweep(plan.home, startup.state, grace_s=0.0))
    startup.before_undo = interrupts.hold
    try:
        with stages.running():
            state = startup.start()
        _announce(state, plan.home, key, startup.elapsed())
        return 0 if plan.detached else _stay(startup, interrupts, logs)
    except Interrupted as interrupted:  # during the start, or just after it
        interrupts.hold()
        startup.undo()
        say("interrupted; nothing is left running")
        return interrupted.exit_code


def _prepare(plan: Plan) -> str | None:
    """Bring the store up to date; the first admin key, if this made it. Raises StartFailed."""
    from cluster.auth.bootstrap import bootstrap
    from cluster.storage.database import StoreDown
    from cluster.storage.migrate import StoreIsNewer

    try:
        return bootstrap(plan.home, plan.settings)
    except StoreDown as down:
        raise StartFailed(f"{down.detail} MOBULA_DATABASE_URL names it.") from down
    except (StoreIsNewer, ValueError) as refusal:
        raise StartFailed(str(refusal)) from refusal


def _running(home: Path) -> ClusterState | None:
    """The cluster that runs, if one does; the remains of a killed one are cleared away."""
    from cluster.ops.shutdown import sweep

    state = states.load(home)
    if state is None or not (state.is_abandoned() or _lost_its_head(state)):
        return state
    if members(state.id):
        say("clearing the remains of a cluster whose `up` was killed, or whose Ray has died")
    sweep(home, state)
    return None


def _lost_its_head(state: ClusterState) -> bool:
    """Ray's control is gone here, so only another start helps."""
    return state.phase == "ready" and not state.joined and not listens(state.gcs)


def _announce(state: ClusterState, home: Path, key: str | None, seconds: float) -> None:
    say(f"[bold green]ready[/] {state.url}  ({seconds:.1f} s)")
    say(f"  docs       {state.url}/docs")
    say(f"  dashboard  {state.dashboard}")
    say(f"             it asks for a token once: {home / 'ray.token'}")
    if key is not None:
        say(f"  admin key  {key}")
        say(f"             tenant `default`; kept in {home / 'admin.key'}")


def _stay(startup: Startup, interrupts: Interrupts, logs: bool) -> int:
    """Print notable log lines until a signal comes or the cluster dies."""
    from cluster.ops.logs import Follower
    from cluster.ops.shutdown import drain

    follower = Follower(Path(startup.state.ray_dir), logs)
    code = 0
    try:
        say("Ctrl-C ends it")
        while startup.is_alive():
            for line in follower.new_lines():
                plain(line)
            time.sleep(WATCH_S)
        code = fail("Ray has died; ending the rest")
    except Interrupted:
        with Stages().running() as stages:
            interrupts.hold()
            drain(startup.plan.home, startup.state, DRAIN_S, stages)
    interrupts.hold()
    startup.end() if code == 0 else startup.undo()
    say("ended; nothing is left running")
    return code
