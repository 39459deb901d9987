"""Letting a node go without losing a request: what a pod runs before Kubernetes ends it.

Flows in: how long it may take. Ray's control is told that this node goes; Serve then starts its
replicas on other nodes and ends those here when their requests are done. Flows out: 0 once Ray has
left this node, 1 when it did not in time or nobody could be told. Knows no Kubernetes.
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
    """Ray's control, as one node sees it."""

    def drain(self, deadline: float) -> None:
        """Give this node up by `deadline`, in seconds of the epoch. Raises OSError."""
        ...

    def has_left(self) -> bool:
        """Whether Ray has ended on this node. Raises OSError."""
        ...


def drain_node(
    control: NodeDrainer, within_s: float, clock: Clock, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Whether the node was given up in time. An unreachable control counts as not."""
    ends = clock.monotonic() + within_s
    try:
        control.drain(clock.wall() + within_s)
        while not control.has_left():
            if clock.monotonic() >= ends:
                return False
            sleep(POLL_S)
    except OSError:
        return False
    return True


class RayControl:
    """Over Ray's client of its control, at RAY_ADDRESS."""

    def __init__(self, ip: str | None = None) -> None:
        """`ip`: this node's address, where it is not that of the way to Ray's control. Raises
        ConnectionError where no Ray is named."""
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
        taken, why = self._client.drain_node(node, reason, "leaving", math.ceil(deadline * 1000))
        if not taken:
            raise OSError(why)

    def has_left(self) -> bool:
        return self._node() is None

    def _node(self) -> str | None:
        """The id of this machine's node in hexadecimal, while it lives."""
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
    parser.add_argument("--within", type=float, default=600.0, help="seconds until it gives up")
    parser.add_argument("--address", help="this node's, as Ray knows it")
    chosen = parser.parse_args(arguments)
    try:
        control = RayControl(chosen.address)
    except ConnectionError:
        return 1
    return 0 if drain_node(control, chosen.within, SystemClock()) else 1


if __name__ == "__main__":
    sys.exit(main())
