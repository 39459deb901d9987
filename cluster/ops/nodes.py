"""The commands that start Ray's processes: a cluster's head, or a node that joins one.

Flows in: what is particular to a machine. Flows out: command lines of `ray start`. The environment
they run in is cluster/ops/environment.py's.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.ops.ports import Ports
from cluster.runtime.settings import LOOPBACK, Settings


def is_loopback(address: str) -> bool:
    """Whether Ray takes the address for this machine's loopback."""
    return address in (LOOPBACK, "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Node:
    """One machine's part of a cluster.

    `folder` is Ray's for sockets and logs. Other nodes reach this one under `address`. By `cpus`
    Ray places replicas (None: the cores that are there; 0: it places none that need any).
    """

    ports: Ports
    folder: Path
    address: str = LOOPBACK
    cpus: int | None = None

    @classmethod
    def of(cls, settings: Settings, folder: Path) -> "Node":
        return cls(Ports.of(settings), folder, settings.node_address, settings.node_cpus)

    @property
    def one_machine(self) -> bool:
        """No other node can reach this one, so none will join it."""
        return is_loopback(self.address)

    def head_command(self, *more: str, dashboard: bool = True) -> list[str]:
        """Its dashboard answers on this machine alone."""
        options = {
            "--port": self.ports.gcs,
            "--include-dashboard": str(dashboard).lower(),
            "--dashboard-host": LOOPBACK,
            "--dashboard-port": self.ports.dashboard,
        }
        return self._command({**options, **self._options()}, "--head", "--no-monitor", *more)

    def joining_command(self, head: str, *more: str) -> list[str]:
        """`head` is the address and port of Ray control on the head."""
        return self._command({"--address": head, **self._options()}, *more)

    def joining_environment(self) -> dict[str, str]:
        """What a node that joins needs beside the profile: its own HTTP port.

        The head's is in what is deployed; without this, every node would listen on that one.
        """
        return {"RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(self.ports.http)}

    def _options(self) -> dict[str, object]:
        cpus = {} if self.cpus is None else {"--num-cpus": self.cpus}
        return {
            "--node-ip-address": self.address,
            "--temp-dir": self.folder,
            "--dashboard-agent-listen-port": self.ports.agent,
            "--metrics-export-port": self.ports.metrics,
            "--min-worker-port": 0,  # any free port: fixed ranges of two clusters would collide
            "--max-worker-port": 0,
            **cpus,
        }

    @staticmethod
    def _command(options: dict[str, object], *flags: str) -> list[str]:
        script = Path(sys.executable).with_name("ray")  # not there where pip installed elsewhere
        ray = [str(script)] if script.exists() else [sys.executable, "-m", "ray.scripts.scripts"]
        flat = [str(part) for option in options.items() for part in option]
        return [*ray, "start", "--disable-usage-stats", *flags, *flat]
