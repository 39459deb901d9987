"""The private cluster of a chaos run: deployed, looked at, broken and mended.

In: a LocalServe and how many of each. Out: processes by what they are, and how they do. Blocking
throughout: call it in a thread. It ends only processes that carry its own cluster's mark.
"""

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.process_kinds import group_by_kind
from load_tests.benchmarks.common.redis_process import RedisProcess
from load_tests.benchmarks.faults.chaos.replica_inspection import inspect_replica

ECHOES = ("Model:echo", "Model:talk")
LOOK_S = 5.0
POLL_S = 0.1

# Longer than any run: an answer that is served once more while it is recomputed is charged for
# the computing, which no client sees.
FRESH_S = 86_400.0


@dataclass(frozen=True)
class ClusterSizes:
    """How much of each. `service_s` is how long a unary request takes in one of a replica's
    `slots`, so that capacity is slots, not cores."""

    ingress: int = 2
    models: int = 3
    slots: int = 8
    service_s: float = 0.05
    stream_pace: float = 10.0  # tokens a second
    shards: int = 1
    engines: int = 2
    redis: bool = False

    @property
    def capacity(self) -> float:
        """Unary requests a second."""
        return self.models * self.slots / self.service_s


class ChaosCluster:
    """Deploy first."""

    def __init__(
        self, local: LocalServe, sizes: ClusterSizes, redis: RedisProcess | None = None
    ) -> None:
        self.local = local
        self.sizes = sizes
        self.redis = redis
        self.models = sizes.models
        self.version = 1
        self._live: Mapping[str, Any] | None = None
        self._leaving: set[int] = set()

    def deploy(
        self, *, models: int | None = None, version: int | None = None, restart: Sequence[str] = ()
    ) -> None:
        """As `mobula deploy`: so many replicas of each echo model, another version of them, or
        a restart (of model ids, ingress, all)."""
        from ray.serve.context import _get_global_client
        from ray.serve.schema import ServeDeploySchema

        from graphs.rollout_diff import BUILDER, diff_applications

        self.models, self.version = models or self.models, version or self.version
        args = _args(self.sizes, self.models, self.version)
        wanted = {"name": "mobula", "route_prefix": "/", "import_path": BUILDER, "args": args}
        stamp = secrets.token_hex(4)
        sent = diff_applications(self._live, wanted, restart, stamp) if self._live else wanted
        config = ServeDeploySchema.model_validate({"applications": [sent]})
        _get_global_client().deploy_apps(config)
        self._live = sent

    def update(self, *deployments: str, **how: Any) -> None:
        """Deploy; not healthy before every replica of these deployments is another process."""
        old = {pid for name in deployments for pid in self.pids(name)}
        self.deploy(**how)
        self._leaving = old

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Every process of the cluster by what it is."""
        return group_by_kind(self.local.processes())

    def pids(self, kind: str) -> list[int]:
        """Oldest first."""
        processes = self.processes().get(kind, [])
        return [process.pid for process in sorted(processes, key=lambda each: each.create_time())]

    def kill(self, kind: str, number: int = 0) -> int:
        """SIGKILL one process of a kind. Raises LookupError when there is none."""
        return self.signal(kind, signal.SIGKILL, number)

    def signal(self, kind: str, what: signal.Signals, number: int = 0) -> int:
        pids = self.pids(kind)
        if not pids:
            raise LookupError(f"no process is a '{kind}'")
        pid = pids[number % len(pids)]
        os.kill(pid, what)
        return pid

    def resume(self, pid: int) -> None:
        """Let a stopped process go on, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def inspect_replicas(self, deployment: str) -> list[dict[str, Any]]:
        """What each replica that answers holds."""
        import ray

        calls = []
        for actor in self.local._replicas(deployment):
            with contextlib.suppress(ValueError):
                calls.append(ray.get_actor(**actor).__ray_call__.remote(inspect_replica))
        ready, _ = ray.wait(calls, num_returns=len(calls), timeout=LOOK_S) if calls else ([], [])
        inspections = []
        for each in ready:
            with contextlib.suppress(ray.exceptions.RayError):
                inspections.append(ray.get(each))
        return inspections

    def find_problem(self) -> str:
        """Empty when every deployment runs as it should and answers; else what is wrong."""
        kinds = self.processes()
        alive = {kind: {process.pid for process in some} for kind, some in kinds.items()}
        return self._processes_lack(alive) or self._serve_lacks(alive) or self._is_ready()

    def _processes_lack(self, alive: Mapping[str, set[int]]) -> str:
        if old := self._leaving & set().union(*alive.values()):
            return f"{len(old)} replicas of the old version are there"
        engines = len(alive.get("engine", ()))
        wanted = self.sizes.engines
        return f"{engines} of {wanted} engines run" if engines < wanted else ""

    def _serve_lacks(self, alive: Mapping[str, set[int]]) -> str:
        from ray import serve

        try:
            application = serve.status().applications["mobula"]
        except Exception as error:  # noqa: BLE001  # the controller may be away
            return f"no status: {type(error).__name__}"
        if application.status != "RUNNING":
            return f"{application.status}: {application.message[-300:]}"
        for name, deployment in application.deployments.items():
            states, living = deployment.replica_states, len(alive.get(name, ()))
            wanted = self.models if name in ECHOES else living
            if deployment.status != "HEALTHY" or states != {"RUNNING": wanted} or living != wanted:
                return f"{name}: {deployment.status} {states}, {living} alive"
        return ""

    def _is_ready(self) -> str:
        try:
            answer = httpx.get(f"{self.local.url}/readyz", timeout=5)
        except httpx.HTTPError as error:
            return f"readyz: {type(error).__name__}"
        return "" if answer.status_code == httpx.codes.OK else f"readyz: {answer.status_code}"

    def wait_until_healthy(self, timeout_s: float) -> str:
        """The same once it is, or what is still wrong when the time is up."""
        until = time.monotonic() + timeout_s
        while (wrong := self.find_problem()) and time.monotonic() < until:
            time.sleep(POLL_S)
        return wrong


def _args(sizes: ClusterSizes, models: int, version: int) -> Mapping[str, Any]:
    echo = {
        "engine": "echo", "num_cpus": 0.1, "replicas": models, "max_waiting": 1024,
        "description": f"version {version}",
    }  # fmt: skip
    texts = [
        {"id": "echo", "first_token_s": sizes.service_s, "max_running": sizes.slots, **echo},
        {"id": "talk", "tokens_per_second": sizes.stream_pace, "max_running": 256, **echo},
    ]
    if sizes.engines:
        nano = {"id": "nano", "engine": "openvino", "num_cpus": 0.1}
        texts.append({**nano, "replicas": sizes.engines})
    shared = "redis" if sizes.redis else "embedded"
    return {
        "models": texts,
        "ingress": {"num_cpus": 0.1, "replicas": sizes.ingress},
        "limiter": {"authority": "redis" if sizes.redis else "embedded"},
        "cache": {"shared": shared, "shards": sizes.shards, "fresh_s": FRESH_S},
        "video": {"enabled": False},
        "text": {"enabled": False},
    }
