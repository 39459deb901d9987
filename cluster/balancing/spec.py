"""Load balancing options of a model: `routing` in the configuration."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PolicyName = Literal[
    "least-requests", "least-tokens", "least-time", "round-robin", "weighted", "prefix"
]


class EjectionSpec(BaseModel):
    """When a replica is left out: its failures or its response time stand out from the others'.

    Judged over `window_s` and at least `min_requests` of a replica: a failure share of at least
    `failures` and twice the others', or a geometric mean time `slowness` times the others' median
    that lies beyond chance. A call that has waited
    `silence_s` for its first sign of life counts as failed at once. Out for `base_s`, doubled each
    time in a row up to `longest_s`; then one request at a time is tried. At most `share` of the
    replicas are out at once, so that a fault of all of them is not taken for a fault of each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    window_s: Annotated[float, Field(gt=0)] = 10.0
    min_requests: Annotated[int, Field(ge=1)] = 5
    failures: Annotated[float, Field(gt=0, le=1)] = 0.5
    slowness: Annotated[float, Field(gt=1)] = 3.0
    silence_s: Annotated[float, Field(gt=0)] = 5.0
    base_s: Annotated[float, Field(gt=0)] = 2.0
    longest_s: Annotated[float, Field(gt=0)] = 60.0
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5


class RoutingSpec(BaseModel):
    """`weighted` follows what replicas report: the operator's weight, free places and speed.

    `prefix` sends equal beginnings to one replica while it has at most `load_bound` times the
    mean load; the first `prefix_chars` characters of a prompt count. `local`: replicas of the
    caller's node first, while they are not busier than the rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: PolicyName = "least-requests"
    prefix_chars: Annotated[int, Field(ge=16, le=65_536)] = 1024
    load_bound: Annotated[float, Field(gt=1)] = 1.25
    local: bool = True
    ejection: EjectionSpec = EjectionSpec()
