"""A driver of Ray's outside the cluster's own processes, on the machine of a cluster on loopback.

Ray would take the loopback address in RAY_ADDRESS for the machine's own, where nobody listens.
"""

import os

from cluster.ops.nodes import is_loopback
from cluster.ops.profile import ONE_MACHINE
from cluster.settings import process_environment


def keep_loopback_address() -> None:
    """Call it before `ray.init`. Does nothing where RAY_ADDRESS names another address, or none."""
    host = process_environment().get("RAY_ADDRESS", "").rpartition(":")[0]
    if not is_loopback(host):
        return
    from ray._private import ray_constants

    os.environ[ONE_MACHINE] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False  # read from there when Ray was imported
