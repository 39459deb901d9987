"""Who this replica is, and where it can be reached, for links."""

from ray import serve
from ray.util import get_node_ip_address


def replica_name() -> str:
    """The name by which routers know this replica."""
    return str(serve.get_replica_context().replica_id.unique_id)


def deployment_name() -> str:
    """The deployment that this replica is of."""
    return str(serve.get_replica_context().deployment)


def node_address() -> str:
    """The address under which Ray's other nodes reach this one; loopback on one machine alone."""
    return str(get_node_ip_address())
