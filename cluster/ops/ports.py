"""The ports of a cluster, and conflicts with other processes.

The HTTP port and the base `gcs_port` determine all others. Ray's defaults collide with Redis (6379)
and with a second cluster on the machine, so every port is set explicitly.
"""

import contextlib
import ipaddress
import secrets
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from cluster.runtime.settings import Settings

BLOCK = 250  # replica ports of one cluster
FREE_BLOCKS = range(6510, 7990, 10)


@dataclass(frozen=True, slots=True)
class Ports:
    """The six ports after `gcs` are Ray's and HAProxy's; replicas use 250 ports from 30000."""

    http: int
    dashboard: int
    gcs: int

    @classmethod
    def of(cls, settings: Settings) -> "Ports":
        return cls(settings.http_port, settings.dashboard_port, settings.gcs_port)

    @classmethod
    def free(cls) -> "Ports":
        """Free ports for a cluster beside others.

        The search starts at a random block, so that concurrent searches rarely collide, and stays
        below the system's ephemeral ports.
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
        """First port of the block for replicas."""
        return 30_000 + BLOCK * (self.gcs // 10 % 10)

    def named(self) -> Mapping[str, int]:
        """Ports by display name, with the setting that changes each."""
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
    """A port in use; `holder` is the process, None if the system does not reveal it."""

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
    """Whether a server can bind the port (a port in TIME_WAIT counts as free)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def listens(address: str, timeout_s: float = 1.0) -> bool:
    """Whether a server accepts connections at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout_s).close()
    except OSError:
        return False
    return True


def _block_is_free(base: int) -> bool:
    return all(is_free(port) for port in range(base, base + 10))


def process_on_port(port: int) -> str | None:
    """`name (pid 123)` of the process that listens on `port`, if it can be determined."""
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


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A listening socket; `process` is the name of its process."""

    address: str
    port: int
    process: str

    @property
    def is_open(self) -> bool:
        """Whether other machines can reach it."""
        address = ipaddress.ip_address(self.address)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return not (mapped or address).is_loopback


def listeners(processes: Iterable[psutil.Process]) -> list[Listener]:
    sockets: set[Listener] = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            name = process.name()
            for socket in process.net_connections("tcp"):
                if socket.status == psutil.CONN_LISTEN:
                    sockets.add(Listener(socket.laddr.ip, socket.laddr.port, name))
    return sorted(sockets)


def own_addresses() -> list[str]:
    """This machine's IPv4 addresses that are not loopback."""
    return [
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family.name == "AF_INET" and not each.address.startswith("127.")
    ]
