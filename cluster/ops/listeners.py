"""Which TCP ports a cluster's processes listen on, and where.

Flows in: processes. Flows out: their listening sockets. `doctor` and the tests hold a cluster on
one machine to loopback with it.
"""

import contextlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """One socket; `process` is its holder's name."""

    address: str
    port: int
    process: str

    @property
    def is_open(self) -> bool:
        """Whether others than this machine may reach it."""
        found = ipaddress.ip_address(self.address)
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return not (mapped or found).is_loopback


def listeners(processes: Iterable[psutil.Process]) -> list[Listener]:
    found: set[Listener] = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            name = process.name()
            for socket in process.net_connections("tcp"):
                if socket.status == psutil.CONN_LISTEN:
                    found.add(Listener(socket.laddr.ip, socket.laddr.port, name))
    return sorted(found)


def own_addresses() -> list[str]:
    """This machine's IPv4 addresses that are not loopback."""
    return [
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family.name == "AF_INET" and not each.address.startswith("127.")
    ]
