"""`mobula up`: starts the cluster, prints its addresses, and supervises it in the foreground."""

from dataclasses import replace
from pathlib import Path

from cluster.cli.config_problems import find_application_problems
from cluster.cli.output import Stages, fail, print_plain, print_rich
from cluster.cli.signals import Interrupted, Interrupts
from cluster.cli.supervise import (
    also_logged,
    count_cpus,
    start_supervisor,
    supervised_run,
    sweep_now,
)
from cluster.logs.process_log import logged_process
from cluster.ops import cluster_state as states
from cluster.ops import supervision as supervisions
from cluster.ops.cluster_state import ClusterState
from cluster.ops.descriptors import Descriptors, raise_limit
from cluster.ops.environment import MAX_CONNECTIONS, PROFILES
from cluster.ops.last_good_config import LastGoodConfig
from cluster.ops.logs import LogTail
from cluster.ops.ports import listens
from cluster.ops.processes import cluster_processes
from cluster.ops.start_plan import StartFailed, StartPlan, check
from cluster.ops.startup import Startup
from cluster.ops.supervision import notify
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
    selected_profile = next((each for each in PROFILES if each == profile), None)
    if selected_profile is None:
        return fail(f"no profile '{profile}'; profiles: {', '.join(PROFILES)}")
    settings = Settings() if port is None else Settings(http_port=port)
    plan = StartPlan(
        settings, config or default_config(), selected_profile, timeout, detach, nodes=nodes
    )
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with states.startup_lock(settings.home) as lock_acquired:
        if not lock_acquired:
            return fail("another `mobula up` is starting here; `mobula down` ends it")
        try:
            return _start(plan, logs, resume=resume)
        except StartFailed as failure:
            if resume:  # the next attempt uses the last good configuration
                LastGoodConfig.discard_pending(settings.home)
            return fail(str(failure))


def _start(plan: StartPlan, logs: bool, *, resume: bool) -> int:
    running = _running(plan.home)
    if running is not None:
        return fail(f"already running at {running}; `mobula down` ends it")
    from cluster.ops.shutdown import sweep

    last_deployed = _last_deployed(plan) if resume else None
    if last_deployed is None and (problems := find_application_problems(plan.read_config())):
        raise StartFailed("\n".join(problems))
    check(plan)
    raise_limit()
    warning = Descriptors.here().warning(MAX_CONNECTIONS)
    if warning is not None and plan.profile == "fast":
        print_rich(warning)
    key = _prepare(plan)
    plan = replace(
        plan, cpus=count_cpus(last_deployed.asked if last_deployed else plan.read_config())
    )
    stages = Stages()
    startup = Startup(plan, stages, deployed=last_deployed)
    interrupts = Interrupts(lambda: sweep(plan.home, startup.state, grace_s=0.0))
    startup.before_undo = interrupts.hold
    try:
        with stages.running():
            state = startup.start()
        if plan.detached:
            start_supervisor(plan)
        _announce(state, plan.home, key, startup.elapsed())
        return 0 if plan.detached else _stay(plan, state, interrupts, logs)
    except Interrupted as interrupted:  # during the start, or just after it
        interrupts.hold()
        startup.undo()
        print_rich("interrupted; nothing is left running")
        return interrupted.exit_code


def _last_deployed(plan: StartPlan) -> LastGoodConfig | None:
    """The configuration that was deployed last, with the current address; None if there is none."""
    last = LastGoodConfig.load_last(plan.home)
    return replace(last, sent=plan.with_address(last.sent)) if last else None


def _prepare(plan: StartPlan) -> str | None:
    """Migrates the database; returns the admin key if this created it. Raises StartFailed."""
    from cluster.auth.bootstrap import bootstrap
    from cluster.storage.database import DatabaseUnavailable
    from cluster.storage.migrate import SchemaTooNew

    try:
        return bootstrap(plan.home, plan.settings)
    except DatabaseUnavailable as unavailable:
        raise StartFailed(
            f"{unavailable.detail} Its address is MOBULA_DATABASE_URL."
        ) from unavailable
    except (SchemaTooNew, ValueError) as refusal:
        raise StartFailed(str(refusal)) from refusal


def _running(home: Path) -> str | None:
    """The address of a running cluster, or None; removes the remains of a killed one."""
    from cluster.ops.shutdown import sweep

    state, supervision = states.load(home), supervisions.alive(home)
    if supervision is not None:
        return f"{state.url if state else 'this home'} (supervisor: {supervision})"
    if state is None or not (state.is_abandoned() or _lost_its_head(state)):
        return state.url if state else None
    if cluster_processes(state.id):
        print_rich("removing the remains of a cluster whose `up` was killed or whose Ray has died")
    sweep(home, state)
    return None


def _lost_its_head(state: ClusterState) -> bool:
    """Whether this head's GCS is gone, so that only a restart helps."""
    return state.phase == "ready" and not state.joined and not listens(state.gcs)


def _announce(state: ClusterState, home: Path, key: str | None, seconds: float) -> None:
    print_rich(f"[bold green]ready[/] {state.url}  ({seconds:.1f} s)")
    print_rich(f"  docs       {state.url}/docs")
    print_rich(f"  dashboard  {state.dashboard}")
    print_rich(f"             it asks for this token once: {home / 'ray.token'}")
    if key is not None:
        print_rich(f"  admin key  {key}")
        print_rich(f"             tenant `default`; saved in {home / 'admin.key'}")


def _stay(plan: StartPlan, state: ClusterState, interrupts: Interrupts, logs: bool) -> int:
    """Supervises the cluster and prints notable log lines until a signal or until it gives up."""
    from cluster.ops.shutdown import drain

    cluster = supervised_run(plan, state, interrupts, exclusive=True)
    interrupts.force = lambda: sweep_now(cluster)
    follower = LogTail(Path(state.ray_dir), logs)
    code = 0

    try:
        with cluster, logged_process(plan.settings, "supervisor") as log:

            def poll() -> None:
                log.levels.reload()
                for line in follower.new_lines():
                    print_plain(line)

            print_line = also_logged(print_rich)
            supervisor = Supervisor(cluster, plan.home, print_line, detached=False, on_poll=poll)
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
