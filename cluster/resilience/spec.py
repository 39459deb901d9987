"""The operator's settings for failing and slow calls: `resilience` of a model."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(gt=0)]


class BreakerSpec(BaseModel):
    """Opens when, of at least `min_requests` in the last `window_s`, a share of `failures` failed
    or a share of `slow` took longer than `slow_s`. After `open_s` it lets `probes` through, each
    leased for `lease_s`; that many good ones close it, one bad one opens it for longer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_s: Seconds = 10.0
    min_requests: Annotated[int, Field(ge=1)] = 10
    failures: Share = 0.5
    slow: Share = 0.9
    slow_s: Seconds = 30.0
    open_s: Seconds = 5.0
    longest_open_s: Seconds = 60.0
    probes: Annotated[int, Field(ge=1, le=10)] = 2
    lease_s: Seconds = 30.0


class HedgeSpec(BaseModel):
    """A second call to another replica for a request slower than `quantile` of the recent ones.

    At most `share` more calls; never before `least_s`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    share: Share = 0.1
    least_s: Seconds = 0.05


class ResilienceSpec(BaseModel):
    """`retries` a request at most, and `retry_share` of all of them; only while nothing has been
    sent to the caller. Without a replica a call waits `patience_s`, never beyond its deadline.
    `fallback` names models that answer instead, in this order. `hedge` None: never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    retries: Annotated[int, Field(ge=0, le=10)] = 2
    retry_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    patience_s: Seconds = 15.0
    breaker: BreakerSpec = BreakerSpec()
    hedge: HedgeSpec | None = None
    fallback: tuple[str, ...] = ()
