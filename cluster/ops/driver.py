"""A driver of Ray's outside the cluster's own processes, on the machine of a cluster on loopback.

Ray would take the cluster's loopback address for the machine's own, where nobody listens.
"""

import os

from cluster.ops.environment import ONE_MACHINE
from cluster.ops.nodes import is_loopback


def keep_loopback_address(address: str) -> None:
    """Call it before `ray.init`. `address` is the cluster's, `host:port`; others are left alone."""
    if not is_loopback(address.rpartition(":")[0]):
        return
    from ray._private import ray_constants

    os.environ[ONE_MACHINE] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False  # read from there when Ray was imported
