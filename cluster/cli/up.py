"""`mobula up`: start, say where it is, and in the foreground stay until told to end."""

from dataclasses import replace
from pathlib import Path

from cluster.cli.output import Stages, fail, print_plain, print_rich
from cluster.cli.signals import Interrupted, Interrupts
from cluster.cli.supervise import count_cpus, leave_behind, supervised_run, sweep_now
from cluster.ops import cluster_state as states
from cluster.ops import supervision as supervisions
from cluster.ops.cluster_state import ClusterState
from cluster.ops.descriptors import Descriptors, raise_limit
from cluster.ops.environment import MAX_CONNECTIONS, PROFILES
from cluster.ops.last_good_config import LastGoodConfig
from cluster.ops.logs import LogTail
from cluster.ops.notify import notify
from cluster.ops.ports import listens
from cluster.ops.processes import cluster_processes
from cluster.ops.start_plan import StartFailed, StartPlan, check
from cluster.ops.startup import Startup
from cluster.ops.supervisor import Supervisor
from cluster.runtime.installation import default_config
from cluster.runtime.settings import Settings

DRAIN_S = 5.0


def run(
    detach: bool,
    config: Path | None,
    port: int | None,
    timeout: float,
    profile: str,
    logs: bool,
    nodes: int = 1,
    *,
    resume: bool = False,
) -> int:
    """The exit code."""
    chosen = next((each for each in PROFILES if each == profile), None)
    if chosen is None:
        return fail(f"no profile '{profile}'; profiles: {', '.join(PROFILES)}")
    settings = Settings() if port is None else Settings(http_port=port)
    plan = StartPlan(settings, config or default_config(), chosen, timeout, detach, nodes=nodes)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with states.startup_lock(settings.home) as alone:
        if not alone:
            return fail("another `mobula up` is at work here; `mobula down` ends it")
        try:
            return _start(plan, logs, resume=resume)
        except StartFailed as failure:
            if resume:  # the next attempt is with what was seen to work
                LastGoodConfig.discard_pending(settings.home)
            return fail(str(failure))


def _start(plan: StartPlan, logs: bool, *, resume: bool) -> int:
    running = _running(plan.home)
    if running is not None:
        return fail(f"already running at {running}; `mobula down` ends it")
    from cluster.ops.shutdown import sweep

    check(plan)
    raise_limit()
    complaint = Descriptors.here().complaint(MAX_CONNECTIONS)
    if complaint is not None and plan.profile == "fast":
        print_rich(complaint)
    key = _prepare(plan)
    deployed = _last(plan) if resume else None
    plan = replace(plan, cpus=count_cpus(deployed.asked if deployed else plan.asked()))
    stages = Stages()
    startup = Startup(plan, stages, deployed=deployed)
    interrupts = Interrupts(lambda: sweep(plan.home, startup.state, grace_s=0.0))
    startup.before_undo = interrupts.hold
    try:
        with stages.running():
            state = startup.start()
        if plan.detached:
            leave_behind(plan)
        _announce(state, plan.home, key, startup.elapsed())
        return 0 if plan.detached else _stay(plan, state, interrupts, logs)
    except Interrupted as interrupted:  # during the start, or just after it
        interrupts.hold()
        startup.undo()
        print_rich("interrupted; nothing is left running")
        return interrupted.exit_code


def _last(plan: StartPlan) -> LastGoodConfig | None:
    """What was deployed last, at today's address; None: nothing yet, the file counts."""
    found = LastGoodConfig.load_last(plan.home)
    return replace(found, sent=plan.addressed(found.sent)) if found else None


def _prepare(plan: StartPlan) -> str | None:
    """Bring the store up to date; the first admin key, if this made it. Raises StartFailed."""
    from cluster.auth.bootstrap import bootstrap
    from cluster.storage.database import DatabaseUnavailable
    from cluster.storage.migrate import SchemaTooNew

    try:
        return bootstrap(plan.home, plan.settings)
    except DatabaseUnavailable as down:
        raise StartFailed(f"{down.detail} MOBULA_DATABASE_URL names it.") from down
    except (SchemaTooNew, ValueError) as refusal:
        raise StartFailed(str(refusal)) from refusal


def _running(home: Path) -> str | None:
    """Where the cluster runs, if one does; the remains of a killed one are cleared away."""
    from cluster.ops.shutdown import sweep

    state, watching = states.load(home), supervisions.alive(home)
    if watching is not None:
        return f"{state.url if state else 'this home'} (supervisor: {watching})"
    if state is None or not (state.is_abandoned() or _lost_its_head(state)):
        return state.url if state else None
    if cluster_processes(state.id):
        print_rich("clearing the remains of a cluster whose `up` was killed, or whose Ray has died")
    sweep(home, state)
    return None


def _lost_its_head(state: ClusterState) -> bool:
    """Ray's control is gone here, so only another start helps."""
    return state.phase == "ready" and not state.joined and not listens(state.gcs)


def _announce(state: ClusterState, home: Path, key: str | None, seconds: float) -> None:
    print_rich(f"[bold green]ready[/] {state.url}  ({seconds:.1f} s)")
    print_rich(f"  docs       {state.url}/docs")
    print_rich(f"  dashboard  {state.dashboard}")
    print_rich(f"             it asks for a token once: {home / 'ray.token'}")
    if key is not None:
        print_rich(f"  admin key  {key}")
        print_rich(f"             tenant `default`; kept in {home / 'admin.key'}")


def _stay(plan: StartPlan, state: ClusterState, interrupts: Interrupts, logs: bool) -> int:
    """Supervise it and print notable log lines, until a signal comes or it is given up."""
    from cluster.ops.shutdown import drain

    cluster = supervised_run(plan, state, interrupts, exclusive=True)
    interrupts.force = lambda: sweep_now(cluster)
    follower = LogTail(Path(state.ray_dir), logs)
    code = 0

    def print_lines() -> None:
        for line in follower.new_lines():
            print_plain(line)

    try:
        with cluster:
            supervisor = Supervisor(
                cluster, plan.home, print_rich, detached=False, each_look=print_lines
            )
            supervisor.announce()
            notify("READY=1")
            print_rich("Ctrl-C ends it")
            code = fail(supervisor.run())
    except Interrupted:
        with Stages().running() as stages:
            interrupts.hold()
            drain(plan.home, cluster.state, DRAIN_S, stages)
    interrupts.hold()
    notify("STOPPING=1")
    cluster.end(for_good=code == 0)
    if code == 0:
        supervisions.forget(plan.home)
    print_rich("ended; nothing is left running")
    return code
