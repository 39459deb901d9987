"""All contenders on one kind of trace, over several seeds, compared at equal attainment.

Flows in: the name of a trace, seeds. Flows out: a Result.

Ours runs once a seed, with one spec for all traces. Ray's default is swept over its one knob,
`target_ongoing_requests`, and what it costs is read off the best of those runs (its Pareto
frontier, between the two that ours lies between) at the attainment that ours had: so it is given
the best target for each trace, in hindsight. Once more with its delays and reports as quick as
ours. The optimum is asked, for each seed, for what ours attained there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from cluster.autoscaling.spec import ScalingSpec
from load_tests.benchmarks.scaling.autoscaling.contenders import OurPolicies, RayDefault
from load_tests.benchmarks.scaling.autoscaling.optimal_plan import compute_busy_hours, find_optimum
from load_tests.benchmarks.scaling.autoscaling.simulated_replicas import ReplicaProfile
from load_tests.benchmarks.scaling.autoscaling.simulator import Controller, ScalingOutcome, simulate
from load_tests.benchmarks.scaling.autoscaling.traces import Trace, generate_trace

SLO_S = 2.0  # to the first token
MACHINE = ReplicaProfile()
MOST = 100
SPEC = ScalingSpec(
    min_replicas=1,
    max_replicas=MOST,
    target_requests=float(MACHINE.slots),
    cooldown_s=MACHINE.cold_start_s / 3,
)
TARGETS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0)
SHIPPED = 2.0  # Ray's own target
_DAY_TARGETS = (2.0, 5.0, 6.0, 6.5, 7.0, 7.5, 8.0)
_OUR_TARGETS = (2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5)
_OUR_DAY_TARGETS = (7.0, 7.5)
_QUICK = {"up_s": 0.0, "down_s": 60.0, "look_back_s": 5.0, "push_s": 1.0}


@dataclass(frozen=True)
class SweepPoint:
    """Means over the seeds; `setting` is the target that gave them."""

    setting: float
    attained: float
    hours: float


@dataclass(frozen=True)
class TraceResult:
    """Of one kind of trace. `default_at` and `quick_at` are what the default costs at the
    attainment of ours; None where no target reaches it."""

    name: str
    ours: SweepPoint
    default: list[SweepPoint]
    quick: list[SweepPoint]
    default_at: float | None
    quick_at: float | None
    optimum_hours: float | None
    busy_hours: float
    flips_per_10_min: float
    ours_swept: list[SweepPoint] = field(default_factory=list)
    first: dict[str, list[float]] = field(default_factory=dict)

    @property
    def to_default(self) -> float | None:
        return None if self.default_at is None else self.ours.hours / self.default_at

    @property
    def to_quick(self) -> float | None:
        return None if self.quick_at is None else self.ours.hours / self.quick_at

    @property
    def to_optimum(self) -> float | None:
        return None if self.optimum_hours is None else self.ours.hours / self.optimum_hours

    def both_at(self, attained: float) -> float | None:
        """Ours to the default where each has the target that attains so much."""
        ours, default = (
            interpolate_cost(attained, self.ours_swept),
            interpolate_cost(attained, self.default),
        )
        return None if ours is None or default is None else ours / default

    @property
    def shipped(self) -> SweepPoint:
        """The default as it comes: two open requests a replica."""
        return next(point for point in self.default if point.setting == SHIPPED)


def compare_contenders(
    name: str, seeds: Sequence[int], hours: float | None, sweep: bool = False
) -> TraceResult:
    """With `sweep`, ours with other targets too."""
    tick_s = 10.0 if name == "diurnal" else 1.0
    traces = [generate_trace(name, seed, hours) for seed in seeds]
    runs = [_run(trace, tick_s, OurPolicies(SPEC, MACHINE)) for trace in traces]
    ours = _point(float(MACHINE.slots), runs)
    targets = _DAY_TARGETS if name == "diurnal" else TARGETS
    others = _OUR_DAY_TARGETS if name == "diurnal" else _OUR_TARGETS
    default = [_swept(traces, tick_s, target, {}) for target in targets]
    quick = [_swept(traces, tick_s, target, _QUICK) for target in targets]
    optima = [_optimum(trace, tick_s, run) for trace, run in zip(traces, runs, strict=True)]
    optimum_hours_found = [each for each in optima if each is not None]
    return TraceResult(
        name=name,
        ours=ours,
        default=default,
        quick=quick,
        default_at=interpolate_cost(ours.attained, default),
        quick_at=interpolate_cost(ours.attained, quick),
        optimum_hours=fmean(optimum_hours_found)
        if len(optimum_hours_found) == len(optima)
        else None,
        busy_hours=fmean(compute_busy_hours(trace, MACHINE) for trace in traces),
        flips_per_10_min=fmean(run.flips for run in runs) / (traces[0].hours * 6),
        ours_swept=[ours, *(_ours(traces, tick_s, each) for each in others if sweep)],
        first=_time_series(traces[0], runs[0], tick_s),
    )


def interpolate_cost(attained: float, points: Sequence[SweepPoint]) -> float | None:
    """Replica-hours on the frontier of `points` at that attainment, between two of them on a
    straight line; None above the best. Below the cheapest nothing is cheaper."""
    frontier: list[SweepPoint] = []
    for point in sorted(points, key=lambda each: each.hours):
        if not frontier or point.attained > frontier[-1].attained:
            frontier.append(point)
    below = None
    for point in frontier:
        if point.attained >= attained:
            return point.hours if below is None else _between(attained, below, point)
        below = point
    return None


def _between(attained: float, below: SweepPoint, above: SweepPoint) -> float:
    share = (attained - below.attained) / (above.attained - below.attained)
    return below.hours + share * (above.hours - below.hours)


def _ours(traces: Sequence[Trace], tick_s: float, target: float) -> SweepPoint:
    spec = SPEC.model_copy(update={"target_requests": target})
    return _point(target, [_run(trace, tick_s, OurPolicies(spec, MACHINE)) for trace in traces])


def _swept(
    traces: Sequence[Trace], tick_s: float, target: float, how: dict[str, float]
) -> SweepPoint:
    made: Callable[[], Controller] = lambda: RayDefault(target, 1, MOST, **how)  # noqa: E731
    return _point(target, [_run(trace, tick_s, made()) for trace in traces])


def _run(trace: Trace, tick_s: float, controller: Controller) -> ScalingOutcome:
    return simulate(trace, MACHINE, controller, tick_s, SLO_S)


def _optimum(trace: Trace, tick_s: float, ours: ScalingOutcome) -> float | None:
    optimum = find_optimum(trace, MACHINE, tick_s, SLO_S, ours.attained)
    return None if optimum is None else optimum.replica_hours


def _point(setting: float, runs: Sequence[ScalingOutcome]) -> SweepPoint:
    return SweepPoint(
        setting, fmean(r.attained for r in runs), fmean(r.replica_hours for r in runs)
    )


def _time_series(trace: Trace, run: ScalingOutcome, tick_s: float) -> dict[str, list[float]]:
    """The first seed's targets and busy replicas, for a picture: about 600 points."""
    from load_tests.benchmarks.scaling.autoscaling.optimal_plan import compute_demand

    load = compute_demand(trace, MACHINE)[int(trace.counted_from) :] / MACHINE.slots
    every = max(1, len(run.targets) // 600)
    step_s = every * tick_s
    at = [index * step_s for index in range(len(run.targets) // every)]
    return {
        "at": at,
        "targets": [float(t) for t in run.targets[::every][: len(at)]],
        "busy": [float(load[int(a) : int(a + step_s)].mean()) for a in at],
    }
