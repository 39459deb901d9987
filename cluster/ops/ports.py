"""Every port that a cluster listens on, and whether one is taken.

Two numbers decide them all: the HTTP port and the base `gcs_port`. Ray's defaults collide with
Redis (6379) and with any second cluster on the machine, so each is set explicitly.
"""

import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from cluster.runtime.settings import Settings

BLOCK = 250  # replica ports of one cluster
FREE_BLOCKS = range(6510, 7990, 10)


@dataclass(frozen=True, slots=True)
class Ports:
    """`gcs_port` + 1..6 follow `gcs`; replicas take a block of 250 between 30000 and 32499."""

    http: int
    dashboard: int
    gcs: int

    @classmethod
    def of(cls, settings: Settings) -> "Ports":
        return cls(settings.http_port, settings.dashboard_port, settings.gcs_port)

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody uses now, for a cluster beside others.

        Looked for from a random place, so that two who look at once hardly find the same, and
        below the ports that the system hands out by itself.
        """
        start = secrets.randbelow(len(FREE_BLOCKS))
        candidates = [*FREE_BLOCKS[start:], *FREE_BLOCKS[:start]]
        base = next(base for base in candidates if _block_is_free(base))
        return cls(http=base + 8, dashboard=base + 7, gcs=base)

    @property
    def agent(self) -> int:
        return self.gcs + 1

    @property
    def haproxy_metrics(self) -> int:
        return self.gcs + 2

    @property
    def haproxy_stats(self) -> int:
        return self.gcs + 3

    @property
    def fallback_http(self) -> int:
        return self.gcs + 4

    @property
    def fallback_grpc(self) -> int:
        return self.gcs + 5

    @property
    def metrics(self) -> int:
        return self.gcs + 6

    @property
    def replicas(self) -> int:
        """The first port of the replicas' block."""
        return 30_000 + BLOCK * (self.gcs // 10 % 10)

    def named(self) -> Mapping[str, int]:
        """What a person calls each port, with the setting that moves it."""
        return {
            "HTTP (--port, MOBULA_HTTP_PORT)": self.http,
            "dashboard (MOBULA_DASHBOARD_PORT)": self.dashboard,
            "Ray control (MOBULA_GCS_PORT)": self.gcs,
            "Ray agent (MOBULA_GCS_PORT + 1)": self.agent,
            "HAProxy metrics (MOBULA_GCS_PORT + 2)": self.haproxy_metrics,
            "HAProxy statistics (MOBULA_GCS_PORT + 3)": self.haproxy_stats,
            "fallback proxy (MOBULA_GCS_PORT + 4)": self.fallback_http,
            "fallback proxy, gRPC (MOBULA_GCS_PORT + 5)": self.fallback_grpc,
            "Ray metrics (MOBULA_GCS_PORT + 6)": self.metrics,
        }


@dataclass(frozen=True, slots=True)
class PortConflict:
    """A port somebody else listens on; `process_on_port` is None where the system does not say."""

    purpose: str
    port: int
    holder: str | None

    def __str__(self) -> str:
        return f"port {self.port} for {self.purpose} is in use by {self.holder or 'a process'}"


def find_conflict(ports: Ports) -> list[PortConflict]:
    return [
        PortConflict(purpose, port, process_on_port(port))
        for purpose, port in ports.named().items()
        if not is_free(port)
    ]


def is_free(port: int, host: str = "0.0.0.0") -> bool:
    """Whether a server could listen there now (a port in TIME_WAIT counts as free)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def listens(address: str, timeout_s: float = 1.0) -> bool:
    """Whether somebody does at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout_s).close()
    except OSError:
        return False
    return True


def _block_is_free(base: int) -> bool:
    return all(is_free(port) for port in range(base, base + 10))


def process_on_port(port: int) -> str | None:
    """`name (pid 123)` of the process that listens on `port`, if we may know."""
    try:
        listeners = [
            entry
            for entry in psutil.net_connections("tcp")
            if entry.status == psutil.CONN_LISTEN and entry.laddr.port == port
        ]
        if listeners and listeners[0].pid:
            return f"{psutil.Process(listeners[0].pid).name()} (pid {listeners[0].pid})"
    except psutil.Error:
        return None
    return None
