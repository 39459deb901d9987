"""How late the event loop of each stage of the cluster on this machine ran lately.

Flows in: the state that `up` keeps. Flows out: seconds by deployment, of the replica that answers;
with one replica each, as `up` starts them, that is every event loop. Asked by Ray handle, because
only the ingress tells its lag over HTTP.
"""

import os
from pathlib import Path

from cluster.ops.cluster_state import ClusterState

ASK_S = 30.0
APP = "mobula"


class EventLoopLags:
    """Joins the cluster when it is made; this process must not have imported Ray before."""

    def __init__(self, state: ClusterState, home: Path) -> None:
        os.environ.update(
            RAY_ADDRESS=state.gcs,
            RAY_AUTH_MODE="token",
            RAY_AUTH_TOKEN_PATH=str(home / "ray.token"),
        )
        from ray import serve

        from cluster.ops.ray_connection import connect

        connect()
        application = serve.status().applications[APP]
        self._handles = {
            name: serve.get_deployment_handle(name, APP) for name in application.deployments
        }

    def __call__(self) -> dict[str, float]:
        """Seconds by deployment; blocks until each has answered, at most ASK_S each."""
        calls = {name: handle.loop_lag.remote() for name, handle in self._handles.items()}
        return {name: float(call.result(timeout_s=ASK_S)) for name, call in calls.items()}
