"""A cluster in a process of its own, which ends replicas when it is told to.

Flows in: commands, one a line. Flows out: where the cluster answers, then a line for each command
that is done. The environment of a cluster would spoil the launcher's tests of this tier, hence the
process. It ends when its standard input does, also because the tests were killed.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from cluster.runtime.settings import ROOT, process_environment

if TYPE_CHECKING:
    from load_tests.benchmarks.common.local_serve import LocalServe

Backend = Literal["redis", "embedded"]
PACED = {"engine": "echo", "num_cpus": 0.1, "first_token_s": 0.05, "tokens_per_second": 40}
BREAKER = {"min_requests": 5, "open_s": 1.0}
MODELS = [
    {"id": "echo", "engine": "echo", "num_cpus": 0.1},
    {"id": "slow", "engine": "echo", "num_cpus": 0.1, "tokens_per_second": 20},
    {**PACED, "id": "trio", "replicas": 3, "routing": {"ejection": {"silence_s": 1.0}}},
    {**PACED, "id": "frail", "resilience": {"breaker": BREAKER, "fallback": ["echo"]}},
    {**PACED, "id": "alone", "resilience": {"breaker": BREAKER, "patience_s": 2.0}},
]
ARGS = {
    "models": MODELS,
    "ingress": {"num_cpus": 0.1, "replicas": 2},
    "video": {"num_cpus": 0.1, "replicas": 2, "gpu": False},
}
MARK = "chaos: "  # what is ours on standard output


class ClusterProcess:
    """Use as a context manager. Nothing is served until `deploy`."""

    def __init__(self, redis_url: str, *, with_video: bool) -> None:
        """The Redis at `redis_url` holds limits and cached responses if the backend is `redis`."""
        self.backend: Backend | None = None  # of the last deployment
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.cluster_process", *(["video"] * with_video)],
            cwd=ROOT, env=process_environment({"MOBULA_REDIS_URL": redis_url}), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Self:
        try:
            properties = json.loads(self._read_reply())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.url: str = properties["url"]
        self.key: str = properties["key"]
        self.home: str = properties["home"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=60)

    def kill_one(self, deployment: str) -> None:
        """End one replica of a deployment as a crash would."""
        self._send("kill", deployment)

    def wait_until_whole(self, *deployments: str) -> None:
        """Until what was killed before is replaced."""
        for deployment in deployments or ("Limiter", "Ingress"):
            self._send("whole", deployment)

    def deploy(self, backend: Backend) -> None:
        """Deploy with limits and shared cache in `backend`, and wait until that is up."""
        self._send("deploy", backend)
        self.backend = backend

    def divide_limits(self, shards: int) -> None:
        """Deploy anew with so many shards of the embedded authority, and wait until it is up."""
        self._send("shards", str(shards))

    def ingress_addresses(self, replicas: int = 2) -> dict[str, int]:
        """The URL of each ingress replica's own port, and its process, once so many are up."""
        addresses: dict[str, int] = json.loads(self._send("addresses", str(replicas)))
        return addresses

    def replicas(self, deployment: str) -> list[int]:
        """The processes of a deployment's replicas."""
        processes: list[int] = json.loads(self._send("replicas", deployment))
        return processes

    def controller(self) -> int:
        """The process of Serve's controller."""
        return int(self._send("controller", "-"))

    def _send(self, command: str, argument: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command} {argument}\n")
        self._process.stdin.flush()
        return self._read_reply()

    def _read_reply(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK):
                return line.removeprefix(MARK)
        raise AssertionError("the cluster's process ended")


def main() -> None:
    from load_tests.benchmarks.common.local_serve import LocalServe

    with LocalServe() as local:
        reply(json.dumps({"url": local.url, "key": local.key, "home": str(local.home)}))
        commands: dict[str, Callable[[str], object]] = {
            "kill": local.kill_one,
            "whole": local.wait_until_healthy,
            "deploy": lambda backend: deploy(local, backend),
            "shards": lambda count: deploy(local, "embedded", int(count)),
            "controller": lambda _: local.controller(),
            "replicas": local.replicas,
            "addresses": lambda count: local.wait_for_ingress(int(count)),
        }
        for line in sys.stdin:
            command, argument = line.split()
            reply(json.dumps(commands[command](argument)))


def deploy(local: "LocalServe", backend: str, shards: int = 1) -> None:
    from graphs.app import build
    from graphs.args import AppArgs

    limiter = {"authority": backend, "shards": shards}
    args = {**ARGS, "limiter": limiter, "cache": {"shared": backend}}
    if "video" not in sys.argv[1:]:
        args["video"] = args["text"] = {"enabled": False}
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")


def reply(text: str) -> None:
    sys.stdout.write(f"{MARK}{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
