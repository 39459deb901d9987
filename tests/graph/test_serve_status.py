"""The state of Serve, asked by a process that is part of no cluster."""

import ray

from cluster.runtime.clock import SystemClock
from deployments.clients.serve.serve_status import ServeStatusClient, gcs_address


async def test_asking_for_the_status_outside_a_cluster_starts_none() -> None:
    assert not ray.is_initialized()

    assert await ServeStatusClient(SystemClock(), timeout_s=20).status() is None
    assert gcs_address() is None
    assert not ray.is_initialized()
