"""What the graph tells an ingress replica of health checks."""

from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant

OWN_INTERVAL_S = 30.0
OWN_TIMEOUT_S = 2.0


@version_tolerant
@dataclass(frozen=True, slots=True)
class OwnCheckSpec:
    """A check that the operator has configured. `url` is `http://`, `https://` or `tcp://host:port`;
    statuses from `first_status` to `last_status` are healthy. `is_private`: its host was named in
    `egress.private_hosts`. Times are in seconds."""

    name: str
    url: str
    consequence: str
    is_private: bool = False
    interval_s: float = OWN_INTERVAL_S
    timeout_s: float = OWN_TIMEOUT_S
    first_status: int = 200
    last_status: int = 399


@version_tolerant
@dataclass(frozen=True, slots=True)
class HealthConfig:
    """`replicas` is the number of ingress replicas, all of which check what they share."""

    own: tuple[OwnCheckSpec, ...] = ()
    replicas: int = 1
