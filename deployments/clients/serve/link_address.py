"""Who this replica is, and where it can be reached, for links."""

from ray import serve
from ray.util import get_node_ip_address

from cluster.metrics.replica_metrics import ReplicaIdentity


def replica_name() -> str:
    """The name by which routers know this replica."""
    return str(serve.get_replica_context().replica_id.unique_id)


def replica_identity() -> ReplicaIdentity:
    """Which replica of which deployment this process is."""
    identity: ReplicaIdentity = serve.get_replica_context()
    return identity


def node_address() -> str:
    """The address under which Ray's other nodes reach this one; loopback on one machine alone."""
    return str(get_node_ip_address())
