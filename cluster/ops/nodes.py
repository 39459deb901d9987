"""Command lines of `ray start` for a cluster's head and for a joining node.

In: the machine's ports, folder, address and CPUs. The environment is in cluster/ops/environment.py.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.ops.ports import Ports
from cluster.runtime.settings import LOOPBACK, Settings


def is_loopback(address: str) -> bool:
    """Whether Ray treats the address as loopback."""
    return address in (LOOPBACK, "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a cluster.

    `folder` holds Ray's sockets and logs. Other nodes reach this one at `address`. `cpus` are
    declared to Ray for placement (None: the cores of the machine; 0: no replica that needs CPU).
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
        """Whether no other node can join, because the address is loopback."""
        return is_loopback(self.address)

    def head_command(self, *more: str, dashboard: bool = True) -> list[str]:
        """The head's command; its dashboard is bound to loopback."""
        options = {
            "--port": self.ports.gcs,
            "--include-dashboard": str(dashboard).lower(),
            "--dashboard-host": LOOPBACK,
            "--dashboard-port": self.ports.dashboard,
        }
        return self._command({**options, **self._options()}, "--head", "--no-monitor", *more)

    def joining_command(self, head: str, *more: str) -> list[str]:
        """A joining node's command; `head` is the address and port of the head's GCS."""
        return self._command({"--address": head, **self._options()}, *more)

    def joining_environment(self) -> dict[str, str]:
        """A joining node's own HTTP port; without it, every node would use the head's, which is in
        the deployed configuration.
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
        script = Path(sys.executable).with_name("ray")  # missing if pip installed scripts elsewhere
        ray = [str(script)] if script.exists() else [sys.executable, "-m", "ray.scripts.scripts"]
        flat = [str(part) for option in options.items() for part in option]
        return [*ray, "start", "--disable-usage-stats", *flags, *flat]
