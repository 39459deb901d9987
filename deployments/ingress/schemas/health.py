"""What the operator gets about the health of dependencies. Instants are Unix seconds."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["up", "degraded", "down", "off", "unknown"]


class DependencyOfReplica(BaseModel):
    """A dependency as one ingress replica sees it, on the machine `node`."""

    replica: str
    node: str
    state: State
    since: float | None
    checked_at: float | None
    latency_s: float | None
    detail: str


class DependencyResponse(BaseModel):
    """A dependency in the view of all ingress replicas: `down` if it is so for every one of them,
    `degraded` if any finds a fault, `off` if it is not configured, `unknown` before its first
    check. `latency_s` is the longest of the last checks, `detail` what is wrong, `consequence` what
    happens while it is away."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    kind: str
    state: State
    since: float | None
    checked_at: float | None
    latency_s: float | None
    detail: str
    consequence: str
    replicas: list[DependencyOfReplica]


class DependenciesResponse(BaseModel):
    """`state` is the worst of all dependencies; `ingress_replicas` counts those whose view this is,
    which are all that answered within two seconds."""

    at: float
    state: Literal["up", "degraded", "down"]
    ingress_replicas: int
    dependencies: list[DependencyResponse]
