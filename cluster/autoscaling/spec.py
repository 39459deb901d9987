"""Scaling options of a deployment: `scaling` in serve_config.yaml, and their description."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

PolicyName = Literal["queue", "tokens", "latency", "cpu", "memory", "schedule", "forecast"]
Positive = Annotated[float, Field(gt=0)]


class Window(BaseModel):
    """At least `replicas` from `start` to `end` (HH:MM, UTC) on `days` (0: Monday)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    end: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    replicas: Annotated[int, Field(ge=0, le=1024)]
    days: tuple[Annotated[int, Field(ge=0, le=6)], ...] = (0, 1, 2, 3, 4, 5, 6)


class ScalingSpec(BaseModel):
    """Between `min_replicas` and `max_replicas`, as many as the policies named want at most.

    Each target is per replica: `target_requests` open ones, `target_tokens` in flight (None: what
    the replica says it holds), `target_cpu` and `target_memory` as shares of what it has. The
    latency policy keeps the `latency_quantile` of `latency` (time to the first token, or of the
    whole answer) under `target_latency_s`. Up at most `step_up` times and down at most `step_down`
    replicas a decision; down only after `cooldown_s` without a need for more.
    `cost_per_hour` is what a replica costs, in any one currency: the arbiter gives way with the
    dearest first, and the status reports it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_replicas: Annotated[int, Field(ge=0, le=1024)] = 1
    max_replicas: Annotated[int, Field(ge=1, le=1024)] = 4
    policies: Annotated[tuple[PolicyName, ...], Field(min_length=1)] = (
        "queue",
        "tokens",
        "forecast",
    )
    target_requests: Positive = 8.0
    target_tokens: Positive | None = None
    target_cpu: Annotated[float, Field(gt=0, le=1)] = 0.7
    target_memory: Annotated[float, Field(gt=0, le=1)] = 0.8
    latency: Literal["ttft", "total"] = "ttft"
    target_latency_s: Positive = 2.0
    latency_quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    schedule: tuple[Window, ...] = ()
    season_s: Positive = 86_400.0
    forecast_quantile: Annotated[float, Field(gt=0, lt=1)] = 0.7
    cold_start_s: Positive | None = None
    step_up: Annotated[float, Field(gt=1)] = 4.0
    step_down: Annotated[int, Field(ge=1)] = 4
    cooldown_s: Annotated[float, Field(ge=0)] = 30.0
    hysteresis: Annotated[float, Field(ge=0, lt=1)] = 0.15
    cost_per_hour: Annotated[float, Field(ge=0)] = 1.0
    priority: Annotated[int, Field(ge=0, le=100)] = 50

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.max_replicas < max(1, self.min_replicas):
            raise ValueError(
                f"scaling.max_replicas: {self.max_replicas} is less than min_replicas, "
                f"{self.min_replicas}"
            )
        if "schedule" in self.policies and not self.schedule:
            raise ValueError("scaling.schedule: the policy 'schedule' needs at least one window")
        return self


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def describe(spec: ScalingSpec) -> str:
    """Such as: 1 to 4 replicas, the maximum of: queue (8 open requests each); up at most 4x at
    once, down by 1 after 60 s."""
    policies = ", ".join(f"{name} ({_POLICY_TEXTS[name](spec)})" for name in spec.policies)
    return (
        f"{spec.min_replicas} to {spec.max_replicas} replicas, the maximum of: "
        f"{policies}; up at most {spec.step_up:g}x at once, down by {spec.step_down} after "
        f"{spec.cooldown_s:g} s"
    )


def _tokens(spec: ScalingSpec) -> str:
    return "its capacity" if spec.target_tokens is None else f"{spec.target_tokens:g} in flight"


def _latency(spec: ScalingSpec) -> str:
    measure = "first token" if spec.latency == "ttft" else "full response"
    return f"p{spec.latency_quantile * 100:g} of the {measure} under {spec.target_latency_s:g} s"


def _forecast(spec: ScalingSpec) -> str:
    start = "" if spec.cold_start_s is None else f", {spec.cold_start_s:g} s ahead"
    return f"p{spec.forecast_quantile * 100:g} of a season of {spec.season_s:g} s{start}"


def _window(window: Window) -> str:
    every_day = len(set(window.days)) == len(_WEEKDAYS)
    days = "" if every_day else " " + "+".join(_WEEKDAYS[day] for day in sorted(set(window.days)))
    return f"{window.replicas} from {window.start} to {window.end} UTC{days}"


_POLICY_TEXTS: Mapping[PolicyName, Callable[[ScalingSpec], str]] = {
    "queue": lambda spec: f"{spec.target_requests:g} open requests each",
    "tokens": _tokens,
    "latency": _latency,
    "cpu": lambda spec: f"{spec.target_cpu:.0%} each",
    "memory": lambda spec: f"{spec.target_memory:.0%} each",
    "schedule": lambda spec: ", ".join(map(_window, spec.schedule)),
    "forecast": _forecast,
}
