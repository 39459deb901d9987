"""The real launcher, `./mobula`, in a home and on ports of its own, for tests and benchmarks."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cluster.ops import cluster_state as states
from cluster.ops import supervision as supervisions
from cluster.ops.cluster_state import ClusterState
from cluster.ops.ports import Ports, is_free
from cluster.ops.processes import ClusterId, cluster_processes, end_all
from cluster.runtime.installation import command
from cluster.runtime.settings import ROOT, process_environment

READY_S, END_S = 120.0, 40.0


@dataclass
class MobulaCommand:
    """The launcher, with a home, a folder for what it deploys, and ports for one test."""

    home: Path
    folder: Path
    ports: Ports
    settings: Mapping[str, str] = field(default_factory=dict)  # further ones, by their variable
    tree: Path = ROOT  # of another commit: it runs with the packages of this environment

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        env = process_environment({
            "MOBULA_HOME": str(self.home),
            "MOBULA_HTTP_PORT": str(self.ports.http),
            "MOBULA_DASHBOARD_PORT": str(self.ports.dashboard),
            "MOBULA_GCS_PORT": str(self.ports.gcs),
            "PYTHONPATH": f"{self.tree}:{self.folder}",
            **self.settings,
        })  # fmt: skip
        own = command() if self.tree == ROOT else [sys.executable, "-m", "cluster.cli"]
        return subprocess.Popen(
            [*own, *arguments], env=env, cwd=self.tree, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start(*arguments) as process:
            output, _ = process.communicate(timeout=READY_S + END_S)
        return process.returncode, output

    def state(self) -> ClusterState:
        state = states.load(self.home)
        assert state is not None
        return state

    def assert_nothing_left(self, state: ClusterState) -> None:
        assert [process.cmdline() for process in cluster_processes(state.id)] == []
        self.assert_ports_are_free()
        assert not Path(state.haproxy_dir).exists()
        assert states.load(self.home) is None

    def assert_ports_are_free(self) -> None:
        """A process may be gone while its last threads still close their sockets."""
        ports = self.ports.named().values()
        for _ in range(30):
            if all(is_free(port) for port in ports):
                return
            time.sleep(0.1)
        raise AssertionError([port for port in ports if not is_free(port)])

    @classmethod
    @contextmanager
    def create_temporary(
        cls, folder: Path, *, tree: Path = ROOT, **settings: str
    ) -> Iterator[Self]:
        """One whose cluster and logs are gone afterwards, however the test ended."""
        launcher = cls(folder / "home", folder, Ports.free(), settings, tree)
        try:
            yield launcher
        finally:
            launcher.kill_all()

    def kill_all(self) -> None:
        """At once: first who would start again what is ended here."""
        state, watching = states.load(self.home), supervisions.alive(self.home)
        owners = [each.owner for each in (state, watching) if each is not None]
        for owner in owners:
            if owner != ClusterId.this():
                end_all(owner.processes, grace_s=0.0)
        if state is not None:
            end_all(lambda: cluster_processes(state.id), grace_s=0.0)
        logs = states.ray_dir(self.home)
        if not logs.is_relative_to(self.home):
            shutil.rmtree(logs.parent)


def wait_for(holds: Callable[[], bool], what: str, timeout_s: float = READY_S) -> float:
    """Seconds until it holds; AssertionError where it does not in time."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < timeout_s, f"{timeout_s:g} s were not enough for {what}"
        time.sleep(0.05)
    return time.monotonic() - began
