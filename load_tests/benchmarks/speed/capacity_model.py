"""What a cluster carries, from what a request costs. Pure: measured costs in, requests/s out.

A node is cores and memory. A request costs CPU in HAProxy, in an ingress replica and, unless it is
cached, in a model replica; every replica costs memory, and all cost Serve's controller. Each
shared part has a ceiling of its own. `plan` says what so many nodes carry, and which ceiling is met
first. The model is linear: it knows no contention between cores, no network, and no model's own
compute, which `service_s` and `slots` stand for.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cluster.ops.environment import MAX_CONNECTIONS

Kind = Literal["uncached", "cached", "stream"]
KINDS: tuple[Kind, ...] = ("uncached", "cached", "stream")


@dataclass(frozen=True)
class RequestCost:
    """CPU milliseconds of one request, by the process that spends them."""

    haproxy_ms: float
    ingress_ms: float
    model_ms: float

    @property
    def total_ms(self) -> float:
        return self.haproxy_ms + self.ingress_ms + self.model_ms


@dataclass(frozen=True)
class MeasuredCosts:
    """`limiter_replica_ms`: CPU of one shard of the limits' authority a second, for each ingress
    replica that has a session there; `limiter_ms`: for each tenant that is active at one, besides.
    `ledger_ms`: one ingress replica's write of a second's usage. `controller_ms`:
    CPU of Serve's controller a second and replica, `node_ms` that of Ray's and Serve's other
    processes a second on a node that does nothing. `stream_above_idle` is what a stream costs
    beside what the same processes use without any request.
    """

    requests: Mapping[Kind, RequestCost]
    limiter_replica_ms: float
    limiter_ms: float
    ledger_ms: float
    controller_ms: float
    controller_idle_ms: float
    node_ms: float
    replica_mib: float
    node_mib: float
    stream_above_idle: RequestCost | None = None


@dataclass(frozen=True)
class NodeSize:
    """One node. `usable` is the share of its cores that may be busy on average."""

    cores: int = 16
    memory_mib: float = 32_768.0
    usable: float = 0.7
    haproxy_threads: int = 4
    haproxy_connections: int = MAX_CONNECTIONS


@dataclass(frozen=True)
class RequestMix:
    """Shares of the kinds of request (they add up to 1), how long one of each is open, tenants that
    are active within a second, and of a model replica its slots and a request's time in one.
    `service_cores` is what the model itself keeps busy for a request in its slot, where it runs on
    the node's cores (0: an accelerator, or a mock).
    """

    shares: Mapping[Kind, float]
    open_s: Mapping[Kind, float]
    tenants: int = 100
    slots: int = 32
    service_cores: float = 0.0


@dataclass(frozen=True)
class SharedServices:
    """Ceilings of what all nodes share, each a share of one core; `limiter_cores` of each shard."""

    controller_cores: float = 0.7
    limiter_cores: float = 0.7
    limiter_shards: int = 1
    database_cores: float = 0.7


@dataclass(frozen=True)
class Ceiling:
    """`requests_s` is what the whole cluster carries when this part is full."""

    part: str
    requests_s: float
    why: str


@dataclass(frozen=True)
class Capacity:
    """What `nodes` carry; the first of `ceilings` is met first."""

    nodes: int
    requests_s: float
    ingress: int
    models: int
    ceilings: tuple[Ceiling, ...]


def plan_capacity(
    nodes: int, machine: NodeSize, costs: MeasuredCosts, load: RequestMix, shared: SharedServices
) -> Capacity:
    """Replicas are as many as there is work for: none is busier than the nodes are."""
    mean = _mean(costs, load)
    core_s = nodes * machine.cores * machine.usable - nodes * costs.node_ms / 1e3
    cores = max(0.0, core_s)
    rate = 1e3 * cores / mean.total_ms if mean.total_ms else math.inf
    ingress, models = _replicas(rate, machine, load, mean)
    replicas = ingress + models
    ceilings = sorted(
        [
            Ceiling("the nodes' cores", rate, f"{mean.total_ms:.2f} ms of CPU a request"),
            _memory(nodes, machine, costs, rate, replicas),
            *_haproxy(nodes, machine, load, mean),
            _controller(shared, costs, rate, replicas),
            _limiter(shared, costs, load, rate, ingress),
            _database(shared, costs, rate, ingress),
        ],
        key=lambda ceiling: ceiling.requests_s,
    )
    carried = ceilings[0].requests_s
    return Capacity(nodes, carried, *_replicas(carried, machine, load, mean), tuple(ceilings))


def _replicas(
    rate: float, machine: NodeSize, load: RequestMix, mean: RequestCost
) -> tuple[int, int]:
    """Of the ingress, and of models: as many as there is work and as are open at once."""
    ingress = rate * mean.ingress_ms / 1e3 / machine.usable
    busy = rate * mean.model_ms / 1e3 / machine.usable
    full = rate * _open(load, ("uncached", "stream")) / load.slots
    return max(1, math.ceil(ingress)), max(1, math.ceil(max(busy, full)))


def _mean(costs: MeasuredCosts, load: RequestMix) -> RequestCost:
    """Of one request of the mixture; a model that runs on the node's cores is in it."""
    pairs = [(share, costs.requests[kind]) for kind, share in load.shares.items()]
    own_ms = 1e3 * load.service_cores * _open(load, ("uncached", "stream"))
    return RequestCost(
        sum(share * cost.haproxy_ms for share, cost in pairs),
        sum(share * cost.ingress_ms for share, cost in pairs),
        sum(share * cost.model_ms for share, cost in pairs) + own_ms,
    )


def _open(load: RequestMix, kinds: Sequence[Kind]) -> float:
    """Requests of these kinds that are open at any time, for each request a second (Little)."""
    return sum(load.shares.get(kind, 0.0) * load.open_s.get(kind, 0.0) for kind in kinds)


def _memory(
    nodes: int, machine: NodeSize, costs: MeasuredCosts, rate: float, replicas: int
) -> Ceiling:
    free_gib = nodes * (machine.memory_mib - costs.node_mib) / costs.replica_mib
    why = f"{costs.replica_mib:.0f} MiB a replica, {costs.node_mib:.0f} MiB a node without one"
    return Ceiling("the nodes' memory", rate * max(0.0, free_gib) / replicas, why)


def _haproxy(nodes: int, machine: NodeSize, load: RequestMix, mean: RequestCost) -> list[Ceiling]:
    """One on each node, with so many threads and connections."""
    open_s = _open(load, KINDS)
    connections = nodes * machine.haproxy_connections
    by_connections = connections / open_s if open_s else math.inf
    busy = nodes * machine.haproxy_threads * machine.usable
    by_threads = 1e3 * busy / mean.haproxy_ms if mean.haproxy_ms else math.inf
    most = f"{machine.haproxy_connections} connections a node"
    return [
        Ceiling("HAProxy's connections", by_connections, f"{most}, {open_s:.2f} s open a request"),
        Ceiling(
            "HAProxy's threads", by_threads,
            f"{machine.haproxy_threads} a node, {mean.haproxy_ms:.3f} ms a request",
        ),
    ]  # fmt: skip


def _controller(
    shared: SharedServices, costs: MeasuredCosts, rate: float, replicas: int
) -> Ceiling:
    """It watches every replica, whatever they do."""
    left = max(0.0, shared.controller_cores - costs.controller_idle_ms / 1e3)
    most = 1e3 * left / costs.controller_ms if costs.controller_ms else math.inf
    why = f"{costs.controller_ms:.2f} ms a second and replica: {most:.0f} replicas"
    return Ceiling("Serve's controller", rate * most / replicas, why)


def _limiter(
    shared: SharedServices, costs: MeasuredCosts, load: RequestMix, rate: float, ingress: int
) -> Ceiling:
    """Every ingress replica has a session with every shard, which owns its part of the tenants."""
    tenants = load.tenants / shared.limiter_shards
    replica_ms = costs.limiter_replica_ms + tenants * costs.limiter_ms
    most = 1e3 * shared.limiter_cores / replica_ms if replica_ms else math.inf
    why = (
        f"{replica_ms:.2f} ms a second, ingress replica and shard of {shared.limiter_shards}: "
        f"{most:,.0f} ingress replicas"
    )
    return Ceiling("the limits' authority", rate * most / ingress, why)


def _database(shared: SharedServices, costs: MeasuredCosts, rate: float, ingress: int) -> Ceiling:
    """Every ingress replica writes its usage once a second."""
    most = 1e3 * shared.database_cores / costs.ledger_ms if costs.ledger_ms else math.inf
    why = f"{costs.ledger_ms:.1f} ms a replica and second"
    return Ceiling("the database's writer", rate * most / ingress, why)
