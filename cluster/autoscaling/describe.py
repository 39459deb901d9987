"""A scaling spec in words, for whoever looks at the status. In: a spec. Out: one sentence."""

from collections.abc import Callable, Mapping

from cluster.autoscaling.spec import PolicyName, ScalingSpec, Window

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def describe(spec: ScalingSpec) -> str:
    """Such as: 1 to 4 replicas, the most that any of these asks for: queue (8 open requests each);
    up at most 4x at once, down by 1 after 60 s."""
    wants = ", ".join(f"{name} ({_POLICIES[name](spec)})" for name in spec.policies)
    return (
        f"{spec.min_replicas} to {spec.max_replicas} replicas, the most that any of these asks "
        f"for: {wants}; up at most {spec.step_up:g}x at once, down by {spec.step_down} after "
        f"{spec.cooldown_s:g} s"
    )


def _tokens(spec: ScalingSpec) -> str:
    return "what it holds" if spec.target_tokens is None else f"{spec.target_tokens:g} in flight"


def _latency(spec: ScalingSpec) -> str:
    what = "first token" if spec.latency == "ttft" else "whole answer"
    return f"p{spec.latency_quantile * 100:g} of the {what} under {spec.target_latency_s:g} s"


def _forecast(spec: ScalingSpec) -> str:
    start = "" if spec.cold_start_s is None else f", {spec.cold_start_s:g} s ahead"
    return f"p{spec.forecast_quantile * 100:g} of a season of {spec.season_s:g} s{start}"


def _window(window: Window) -> str:
    every_day = len(set(window.days)) == len(_DAYS)
    days = "" if every_day else " " + "+".join(_DAYS[day] for day in sorted(set(window.days)))
    return f"{window.replicas} from {window.start} to {window.end} UTC{days}"


_POLICIES: Mapping[PolicyName, Callable[[ScalingSpec], str]] = {
    "queue": lambda spec: f"{spec.target_requests:g} open requests each",
    "tokens": _tokens,
    "latency": _latency,
    "cpu": lambda spec: f"{spec.target_cpu:.0%} each",
    "memory": lambda spec: f"{spec.target_memory:.0%} each",
    "schedule": lambda spec: ", ".join(map(_window, spec.schedule)),
    "forecast": _forecast,
}
