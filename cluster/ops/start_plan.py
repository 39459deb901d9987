"""What is to be started, and what can be known to fail before anything is.

Flows in: settings, and the operator's file. Flows out: a `StartPlan`, or `StartFailed` with a
sentence.
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
from cluster.ops.tls import scheme
from cluster.ops.tls import tls_error as tls_complaint
from cluster.runtime.settings import LOOPBACK, Settings
from cluster.secrets.key_files import store_url
from cluster.storage.sqlite_guard import SqliteNeedsSingleNode, is_sqlite

POLL_S = 0.1
NEEDED_BYTES = 3 << 30


class StartFailed(Exception):
    """Why the cluster did not start, written for the operator."""


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What to start and how. By `cpus` Ray places replicas, unless a setting says otherwise.

    Nothing is deployed before `nodes` are there, this one among them.
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

    def asked(self) -> dict[str, Any]:
        """The operator's file."""
        try:
            config = yaml.safe_load(self.config.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise StartFailed(f"cannot read {self.config}: {error}") from None
        if not isinstance(config, dict) or "applications" not in config:
            raise StartFailed(f"{self.config} has no `applications`")
        return config

    def serve_config(self) -> dict[str, Any]:
        """The same with our address in it."""
        return self.addressed(self.asked())

    def addressed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration for Serve with our address in it."""
        http = {"host": self.settings.host, "port": self.settings.http_port}
        return {**config, "http_options": {**config.get("http_options", {}), **http}}


def check(plan: StartPlan) -> None:
    """Refuse early what cannot work."""
    settings = plan.settings
    if settings.host == LOOPBACK != settings.node_address:
        raise StartFailed(
            f"other nodes reach replicas here at {settings.node_address} (MOBULA_NODE_ADDRESS), "
            "but MOBULA_HOST lets this machine in alone: set it to 0.0.0.0"
        )
    complaint = gcs_store.connection_error(settings) or tls_complaint(settings, plan.profile)
    if complaint is not None:
        raise StartFailed(complaint)
    if plan.nodes > 1 and is_loopback(settings.node_address):
        raise StartFailed(
            "with MOBULA_NODE_ADDRESS on loopback this machine listens to itself alone: set it to "
            "the address under which the other nodes reach it"
        )
    if plan.nodes > 1 and is_sqlite(store_url(plan.home, settings)):
        raise StartFailed(str(SqliteNeedsSingleNode()))
    check_ports_free(Ports.of(settings))
    available = psutil.virtual_memory().available
    if available < NEEDED_BYTES:
        raise StartFailed(
            f"{available / 2**30:.1f} GiB of memory is available; Mobula needs "
            f"{NEEDED_BYTES >> 30} GiB to start"
        )


def check_ports_free(ports: Ports) -> None:
    """Raises StartFailed naming each port that somebody else has."""
    busy = _taken_for_good(ports)
    if busy:
        raise StartFailed("\n".join(str(each) for each in busy))


def _taken_for_good(ports: Ports) -> list[PortConflict]:
    """A port without a holder may belong to a process that is just ending: look again."""
    for _ in range(30):
        busy = find_conflict(ports)
        if not busy or any(each.holder for each in busy):
            return busy
        time.sleep(POLL_S)
    return busy
