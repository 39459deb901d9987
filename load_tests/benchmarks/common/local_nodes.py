"""A private cluster of several Ray nodes on this machine, for tests and benchmarks of lost nodes.

Flows in: how many nodes, and settings that name the servers it stands on (SQLite serves one node,
so a PostgreSQL). Flows out: nodes, each with a URL of its own, which can be killed, and added. Ray
runs in processes of its own, never in this one; nothing of it outlives the context.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil
from pydantic import SecretStr

from cluster.auth.bootstrap import bootstrap
from cluster.ops.environment import Profile, environment, haproxy_folder
from cluster.ops.gcs_store import GcsStore
from cluster.ops.logs import tail
from cluster.ops.nodes import Node
from cluster.ops.ports import Ports
from cluster.ops.processes import cluster_processes, end_all, send
from cluster.runtime.settings import LOOPBACK, ROOT, Settings
from cluster.storage.files import write_private

WAIT_S = 60.0
POLL_S = 0.2  # a look at every process of the machine
CPUS = 16  # replicas here are placed by count, not by share
LEAN = {"RAY_enable_worker_prestart": "0", "RAY_prestart_worker_first_driver": "0"}
LEAN_OPTIONS = ("--object-store-memory", str(80 << 20))
LOG = "start.log"


@dataclass
class LocalNode:
    """One node. Every process of it carries `mark`; `url` is its own proxy's."""

    name: str
    ray: Node
    mark: str = field(default_factory=lambda: f"local-{secrets.token_hex(6)}")
    haproxy: Path = field(default_factory=haproxy_folder)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ray.ports.http}"

    def processes(self) -> list[psutil.Process]:
        return cluster_processes(self.mark)

    def replicas(self, deployment: str = "") -> list[int]:
        """The processes of a deployment's replicas here (of all, unless one is named)."""
        title = f"ray::ServeReplica:mobula:{deployment}"
        return [process.pid for process in self.processes() if _title(process).startswith(title)]

    def has_controller(self) -> bool:
        return any(_title(each).startswith("ray::ServeController") for each in self.processes())

    def kill(self) -> int:
        """All of its processes at once, as a power cut would; how many there were."""
        killed = send(signal.SIGKILL, self.processes())
        end_all(self.processes, grace_s=0.0)  # also what was just being started
        return len(killed)


Start = tuple[LocalNode, subprocess.Popen[bytes]]


class LocalNodes:
    """Use as a context manager. `nodes[0]` is the head, which runs no replicas."""

    def __init__(
        self,
        workers: int = 2,
        *,
        profile: Profile = "fast",
        gcs: GcsStore | None = None,
        **settings: str,
    ) -> None:
        """`settings` are more environment variables for every node; `gcs` keeps the head's."""
        self._folder = Path(tempfile.mkdtemp(prefix="m-"))  # sockets allow 97 characters
        self._profile, self._gcs = profile, gcs
        self._settings = {"MOBULA_DATABASE_URL": "", "MOBULA_REDIS_URL": "", **settings}
        self._wanted = workers
        self.home = self._folder / "state"
        self.nodes: list[LocalNode] = []
        self.key = ""

    @property
    def head(self) -> LocalNode:
        return self.nodes[0]

    @property
    def workers(self) -> list[LocalNode]:
        return self.nodes[1:]

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self.nodes.append(self._new_node(cpus=0))
            self.start_head()
            self.add(self._wanted)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _prepare(self) -> None:
        url = self._settings["MOBULA_DATABASE_URL"]
        settings = Settings(home=self.home, database_url=SecretStr(url) if url else None)
        key = bootstrap(self.home, settings)
        assert key is not None
        self.key = key
        write_private(self.home / "ray.token", secrets.token_hex(32).encode())

    def start_head(self) -> None:
        """The first time, or again after it was killed; returns when it takes nodes in."""
        # Ray takes the other nodes' processes for a head that still runs.
        (self.head.ray.folder / "ray_current_cluster").unlink(missing_ok=True)
        more = self._gcs.options() if self._gcs else []
        command = self.head.ray.head_command(*LEAN_OPTIONS, *more, dashboard=False)
        self._await(self._start(self.head, command))

    def add(self, count: int = 1) -> list[LocalNode]:
        """More nodes, started side by side."""
        for _ in range(count):
            self.nodes.append(self._new_node(CPUS))
        new = self.nodes[-count:]
        head = f"{LOOPBACK}:{self.head.ray.ports.gcs}"
        joining = [each.ray.joining_command(head, *LEAN_OPTIONS) for each in new]
        self._await(*map(self._start, new, joining))
        return new

    def _new_node(self, cpus: int) -> LocalNode:
        name = f"n{len(self.nodes)}"
        ray = Node(self._free_ports(), self._folder / name, cpus=cpus)
        return LocalNode(name, ray)

    def _free_ports(self) -> Ports:
        """Such as no node of ours will take that does not listen yet."""
        used = {each.ray.ports.gcs for each in self.nodes}
        while (ports := Ports.free()).gcs in used:
            pass
        return ports

    def _start(self, node: LocalNode, command: Sequence[str]) -> Start:
        node.ray.folder.mkdir(exist_ok=True)
        with (node.ray.folder / LOG).open("wb") as log:
            return node, subprocess.Popen(
                command, cwd=ROOT, env=self._environment(node), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _environment(self, node: LocalNode) -> dict[str, str]:
        cores = os.cpu_count() or 1
        variables = environment(
            self._profile, node.ray.ports, node.mark, self.home, node.haproxy, cores,
            one_machine=False,
        )  # fmt: skip
        own = self._head_environment() if node is self.head else node.ray.joining_environment()
        return {**variables, **LEAN, **self._settings, **own}

    def _head_environment(self) -> dict[str, str]:
        return {} if self._gcs is None else self._gcs.environment()

    def _await(self, *starts: Start) -> None:
        for node, start in starts:
            if start.wait(timeout=WAIT_S) != 0:
                raise RuntimeError(f"{node.name} did not start:\n{_read_logs(node.ray.folder)}")

    def deploy(self, args: Mapping[str, Any]) -> None:
        """Mobula with these AppArgs, with a proxy on every node; returns when it is up."""
        where = {
            "address": f"{LOOPBACK}:{self.head.ray.ports.gcs}",
            "port": self.head.ray.ports.http,
        }
        subprocess.run(
            [
                sys.executable, "-m", "load_tests.benchmarks.common.deploy_application",
                json.dumps({**where, "args": args}),
            ],
            cwd=ROOT, env=self._environment(self.head), check=True, stdin=subprocess.DEVNULL,
            timeout=3 * WAIT_S,
        )  # fmt: skip
        for node in self.nodes:
            self.wait_for(partial(responds, node.url), f"{node.url} to answer")

    def spread(self, deployment: str) -> dict[str, int]:
        """How many of its replicas each living node runs."""
        return {
            node.name: len(node.replicas(deployment)) for node in self.nodes if node.processes()
        }

    def wait_for(self, holds: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> float:
        """Seconds until it holds; TimeoutError where it does not in time."""
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"{timeout_s:g} s were not enough for {what}")
            time.sleep(POLL_S)
        return time.monotonic() - began

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for node in self.nodes:
            node.kill()
            shutil.rmtree(node.haproxy, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def responds(url: str) -> bool:
    """Whether every model can be served from there."""
    try:
        return httpx.get(f"{url}/readyz", timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _read_logs(folder: Path) -> str:
    """The last that was written there of a start."""
    logs = folder / "session_latest" / "logs"
    paths = [
        folder / LOG,
        *(logs / name for name in ("raylet.out", "raylet.err", "gcs_server.out")),
    ]
    return "\n".join(f"{path.name}:\n{tail(path, 12)}" for path in paths)


def _title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
