"""Drains a node before its removal, without a lost request; a Kubernetes preStop hook runs it.

In: the time limit. It asks Ray's GCS to drain this node; Serve then starts the replicas on other
nodes and stops those here when their requests are done. Out: exit code 0 once Ray has left this
node, 1 on a timeout or if the GCS is unreachable. Knows no Kubernetes.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from cluster.runtime.clock import Clock, SystemClock

POLL_S = 1.0


class NodeDrainer(Protocol):
    """Ray's GCS, as a node uses it."""

    def drain(self, deadline: float) -> None:
        """Drain this node by `deadline` (Unix seconds). Raises OSError."""
        ...

    def has_left(self) -> bool:
        """Whether Ray has stopped on this node. Raises OSError."""
        ...


def drain_node(
    control: NodeDrainer, within_s: float, clock: Clock, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Whether the node was drained in time; False if the GCS is unreachable."""
    deadline = clock.monotonic() + within_s
    try:
        control.drain(clock.wall() + within_s)
        while not control.has_left():
            if clock.monotonic() >= deadline:
                return False
            sleep(POLL_S)
    except OSError:
        return False
    return True


class RayControl:
    """The drain over Ray's GCS client, at RAY_ADDRESS."""

    def __init__(self, ip: str | None = None) -> None:
        """`ip`: this node's address, if it differs from that of the route to the GCS. Raises
        ConnectionError if RAY_ADDRESS names no cluster."""
        from ray._private import services
        from ray._raylet import GcsClient  # type: ignore[attr-defined]  # in C++

        address = services.canonicalize_bootstrap_address_or_die("auto")
        self._client = GcsClient(address=address)
        self._ip = ip or services.get_node_ip_address(address)

    def drain(self, deadline: float) -> None:
        from ray.core.generated.autoscaler_pb2 import DrainNodeReason

        node = self._node()
        if node is None:
            raise OSError(f"Ray knows no living node at {self._ip}")
        reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")  # is never refused
        accepted, message = self._client.drain_node(
            node, reason, "leaving", math.ceil(deadline * 1000)
        )
        if not accepted:
            raise OSError(message)

    def has_left(self) -> bool:
        return self._node() is None

    def _node(self) -> str | None:
        """The hexadecimal id of this machine's node; None if it is not alive."""
        from ray.core.generated.gcs_pb2 import GcsNodeInfo
        from ray.exceptions import RpcError

        try:
            nodes = self._client.get_all_node_info(timeout=5)
        except RpcError as error:
            raise OSError(str(error)) from error
        alive = GcsNodeInfo.GcsNodeState.ALIVE
        return next(
            (
                key.hex()
                for key, node in nodes.items()
                if node.node_manager_address == self._ip and node.state == alive
            ),
            None,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cluster.ops.node_drain", description=__doc__)
    parser.add_argument("--within", type=float, default=600.0, help="timeout in seconds")
    parser.add_argument("--address", help="this node's address in Ray")
    options = parser.parse_args(arguments)
    try:
        control = RayControl(options.address)
    except ConnectionError:
        return 1
    return 0 if drain_node(control, options.within, SystemClock()) else 1


if __name__ == "__main__":
    sys.exit(main())
