"""A replica of a running cluster whose memory grows, as one that leaks.

In: the cluster's state and a deployment's name. Out: its first replica holds MIB more each second.
Ray and its environment are in a process of their own, which ends when its standard input does.
"""

import argparse
import contextlib
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cluster.ops.cluster_state import ClusterState
from cluster.runtime.settings import ROOT, process_environment

MIB, PERIOD_S = 8, 1.0  # so much each period
LIMIT_MIB = 512
FREE_S = 30.0


class LeakingReplica:
    """Use as a context manager; its memory is given back at the end."""

    def __init__(self, home: Path, state: ClusterState, deployment: str, mib: int = MIB) -> None:
        variables = {
            "RAY_ADDRESS": state.gcs,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(home / "ray.token"),
        }
        self._env = process_environment(variables)
        self._arguments = [deployment, str(mib)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *self._arguments],
            cwd=ROOT, env=self._env, stdin=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        try:
            self._process.communicate(timeout=FREE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deployment")
    parser.add_argument("mib", type=int)
    options = parser.parse_args(argv)
    import ray

    from cluster.ops.ray_connection import connect
    from load_tests.benchmarks.faults.injections.replica_memory import free_memory, hold_memory

    connect()
    start = f"SERVE_REPLICA::mobula#{options.deployment}#"
    actors = ray.util.list_named_actors(all_namespaces=True)
    found = next(actor for actor in actors if actor["name"].startswith(start))
    replica = ray.get_actor(**found)
    over = threading.Event()
    threading.Thread(target=_wait_for_end, args=(over,), daemon=True).start()
    held = 0
    while not over.wait(PERIOD_S):
        if held < LIMIT_MIB:
            held = ray.get(replica.__ray_call__.remote(hold_memory, options.mib), timeout=FREE_S)
    with contextlib.suppress(ray.exceptions.RayError):
        ray.get(replica.__ray_call__.remote(free_memory), timeout=FREE_S)
    ray.shutdown()
    return 0


def _wait_for_end(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


if __name__ == "__main__":
    sys.exit(main())
