"""`mobula join`: adds this machine as a node to a cluster whose head runs elsewhere."""

from cluster.cli.output import Stages, fail, print_rich
from cluster.ops import cluster_state as states
from cluster.ops.descriptors import raise_limit
from cluster.ops.environment import PROFILES
from cluster.ops.joining import JoinPlan, check, join
from cluster.ops.start_plan import StartFailed
from cluster.runtime.settings import Settings


def run(head: str, profile: str, timeout_s: float) -> int:
    """The exit code."""
    selected_profile = next((each for each in PROFILES if each == profile), None)
    if selected_profile is None:
        return fail(f"no profile '{profile}'; profiles: {', '.join(PROFILES)}")
    settings = Settings()
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with states.startup_lock(settings.home) as lock_acquired:
        if not lock_acquired:
            return fail("another `mobula up` is starting here; `mobula down` ends it")
        try:
            return _join(JoinPlan(settings, head, selected_profile, timeout_s))
        except StartFailed as failure:
            return fail(str(failure))


def _join(plan: JoinPlan) -> int:
    from cluster.ops.shutdown import sweep

    home = plan.settings.home
    state = states.load(home)
    if state is not None and not state.is_abandoned():
        return fail(f"already running at {state.url}; `mobula down` ends it")
    if state is not None:
        sweep(home, state)
    check(plan)
    raise_limit()
    stages = Stages()
    with stages.running():
        stages(f"joining {plan.head}")
        state = join(plan)
    print_rich(f"[bold green]joined[/] {plan.head}")
    print_rich(f"  proxy      {state.url}, as soon as a replica is placed on this node")
    print_rich("             (with `proxy_location: EveryNode` in the head's configuration)")
    print_rich("  `mobula down` removes this node; the other nodes continue to serve")
    return 0
