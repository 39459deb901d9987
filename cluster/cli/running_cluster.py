"""The running cluster for commands: its state, and an HTTP client with the admin key."""

import httpx

from cluster.ops import cluster_state as states
from cluster.ops.cluster_state import ClusterState
from cluster.ops.tls import verification
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import admin_key

NOT_RUNNING = "no cluster is running here; start one with `mobula up -d`"


def running_state(settings: Settings) -> ClusterState | None:
    """The state of a cluster that is ready and alive."""
    state = states.load(settings.home)
    return state if state and state.phase == "ready" and not state.is_abandoned() else None


def client(state: ClusterState, settings: Settings, timeout_s: float = 60.0) -> httpx.Client:
    key = admin_key(settings.home, settings) or ""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(
        base_url=state.url,
        headers=headers,
        timeout=timeout_s,
        trust_env=False,
        verify=verification(state.certificate),
    )
