"""What crosses between ingress replicas and authority shards, and between shards.

In: exchanges; buckets with their leases. Out: values without clock times, which differ between
processes.
"""

import math
from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant
from deployments.contracts.limits import ExchangeResult, LeaseRequest
from deployments.limiter.layout import ShardLayout


@version_tolerant
@dataclass(frozen=True, slots=True)
class MovedLease:
    """One replica's lease; `seen_ago_s` is the age of its session's last exchange, None: ended."""

    number: int
    held: int
    granted: int
    adjusted: float
    ago_s: float
    seen_ago_s: float | None


@version_tolerant
@dataclass(frozen=True, slots=True)
class MovedBucket:
    """`ago_s` is the age of the level, `born_ago_s` that of the last loss of state (inf: none)."""

    key: str
    level: float
    ago_s: float
    capacity: int
    born_ago_s: float
    known: bool
    lasts_s: float
    leases: dict[str, MovedLease]


@version_tolerant
@dataclass(frozen=True, slots=True)
class HandOver:
    """A part of what a shard held for another; `layout` is its own, which may be newer.

    `is_last`: nothing follows. `is_whole`: all that tenants of the other have done here is in it;
    not where the other asked before it was restarted, or where state was lost here. `knows_s`: for
    how many seconds this shard has known what its tenants did; `is_pending`: it has just begun, and
    will know both when it has asked the others.
    """

    layout: ShardLayout
    buckets: tuple[MovedBucket, ...] = ()
    is_last: bool = True
    is_whole: bool = True
    knows_s: float = math.inf
    is_pending: bool = False


@version_tolerant
@dataclass(frozen=True, slots=True)
class ShardExchange:
    """An exchange as in contracts/limits.py, under the sender's layout.

    `granted_s`: seconds since any shard granted the replica something for the first time; 0: never.
    """

    layout: ShardLayout
    granted_s: float
    replica: str
    epoch: str
    ttl_s: float
    requests: tuple[LeaseRequest, ...]


@version_tolerant
@dataclass(frozen=True, slots=True)
class ShardAnswer:
    """`result` is None where the caller's layout is not that of the shard."""

    layout: ShardLayout
    result: ExchangeResult | None
