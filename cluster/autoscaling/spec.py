"""What an operator may say about how a deployment scales: `scaling` in serve_config.yaml."""

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
    def _bounds_fit(self) -> Self:
        if self.max_replicas < max(1, self.min_replicas):
            raise ValueError(
                f"scaling.max_replicas: {self.max_replicas} is less than min_replicas, "
                f"{self.min_replicas}"
            )
        if "schedule" in self.policies and not self.schedule:
            raise ValueError("scaling.schedule: the policy 'schedule' needs at least one window")
        return self
