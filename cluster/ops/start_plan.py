"""The plan of a start and its preconditions.

In: settings and the operator's file. Out: a `StartPlan`, or `StartFailed` with a message for the
operator.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from cluster.ops import gcs_store
from cluster.ops.environment import Profile
from cluster.ops.nodes import is_loopback
from cluster.ops.ports import PortConflict, Ports, find_conflict
from cluster.ops.tls import scheme, tls_error
from cluster.runtime.settings import LOOPBACK, Settings
from cluster.secrets.key_files import store_url
from cluster.storage.database import SqliteNeedsSingleNode, is_sqlite

POLL_S = 0.1
REQUIRED_MEMORY_BYTES = 3 << 30


class StartFailed(Exception):
    """The cluster did not start; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What to start and how. `cpus` are declared to Ray for placement, unless a setting overrides.

    Applications are deployed once `nodes` nodes are connected, this one included.
    """

    settings: Settings
    config: Path
    profile: Profile = "fast"
    timeout_s: float = 300.0
    detached: bool = False
    cpus: int | None = None
    nodes: int = 1

    @property
    def home(self) -> Path:
        return self.settings.home

    @property
    def url(self) -> str:
        return f"{scheme(self.settings)}://{self.settings.host}:{self.settings.http_port}"

    def read_config(self) -> dict[str, Any]:
        """Reads the operator's file. Raises StartFailed."""
        try:
            config = yaml.safe_load(self.config.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise StartFailed(f"cannot read {self.config}: {error}") from None
        if not isinstance(config, dict) or "applications" not in config:
            raise StartFailed(f"{self.config} has no `applications`")
        return config

    def serve_config(self) -> dict[str, Any]:
        """The operator's file with this cluster's HTTP address."""
        return self.with_address(self.read_config())

    def with_address(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """`config` with this cluster's HTTP address."""
        http = {"host": self.settings.host, "port": self.settings.http_port}
        return {**config, "http_options": {**config.get("http_options", {}), **http}}


def check(plan: StartPlan) -> None:
    """Checks the preconditions. Raises StartFailed."""
    settings = plan.settings
    if settings.host == LOOPBACK != settings.node_address:
        raise StartFailed(
            f"other nodes reach replicas here at {settings.node_address} (MOBULA_NODE_ADDRESS), "
            "but MOBULA_HOST allows only this machine: set it to 0.0.0.0"
        )
    error = gcs_store.connection_error(settings) or tls_error(settings, plan.profile)
    if error is not None:
        raise StartFailed(error)
    if plan.nodes > 1 and is_loopback(settings.node_address):
        raise StartFailed(
            "with MOBULA_NODE_ADDRESS on loopback only this machine can connect: set it to "
            "the address at which the other nodes reach it"
        )
    if plan.nodes > 1 and is_sqlite(store_url(plan.home, settings)):
        raise StartFailed(str(SqliteNeedsSingleNode()))
    check_ports_free(Ports.of(settings))
    available = psutil.virtual_memory().available
    if available < REQUIRED_MEMORY_BYTES:
        raise StartFailed(
            f"{available / 2**30:.1f} GiB of memory is available; Mobula needs "
            f"{REQUIRED_MEMORY_BYTES >> 30} GiB to start"
        )


def check_ports_free(ports: Ports) -> None:
    """Raises StartFailed with each port that is in use."""
    busy = _find_conflicts(ports)
    if busy:
        raise StartFailed("\n".join(str(each) for each in busy))


def _find_conflicts(ports: Ports) -> list[PortConflict]:
    """Port conflicts; retries while the holder is unknown, as its process may be ending."""
    for _ in range(30):
        busy = find_conflict(ports)
        if not busy or any(each.holder for each in busy):
            return busy
        time.sleep(POLL_S)
    return busy
