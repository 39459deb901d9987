"""A cluster in a process of its own, which ends replicas when it is told to.

Flows in: commands, one a line. Flows out: where the cluster answers, then a line for each command
that is done. The environment of a cluster would spoil the launcher's tests of this tier, hence the
process. It ends when its standard input does, also because the tests were killed.
"""

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, Literal, Self

from cluster.runtime.settings import ROOT, process_environment

Authority = Literal["embedded", "redis"]
Shared = Literal["auto", "embedded", "redis", "off"]
MODELS = [
    {"id": "echo", "engine": "echo", "num_cpus": 0.1},
    {"id": "slow", "engine": "echo", "num_cpus": 0.1, "tokens_per_second": 20},
]
PACED = {"engine": "echo", "num_cpus": 0.1, "first_token_s": 0.05, "tokens_per_second": 40}
BREAKER = {"min_requests": 5, "open_s": 1.0}
FRAGILE_MODELS = [
    {**PACED, "id": "trio", "replicas": 3, "routing": {"ejection": {"silence_s": 1.0}}},
    {**PACED, "id": "frail", "resilience": {"breaker": BREAKER, "fallback": ["stand-in"]}},
    {**PACED, "id": "alone", "resilience": {"breaker": BREAKER, "patience_s": 2.0}},
    {"id": "stand-in", "engine": "echo", "num_cpus": 0.1},
]
SETS = {
    "plain": {"models": MODELS, "ingress": {"num_cpus": 0.1, "replicas": 2}},
    "fragile": {"models": FRAGILE_MODELS, "ingress": {"num_cpus": 0.1}},
}
MARK = "chaos: "  # what is ours on standard output


class ClusterProcess:
    """Use as a context manager; `authority` keeps the limits until `keep_limits_in` changes it.

    `clippers` is how many replicas make clips, `served` one of SETS. Without `redis_url` there is
    no Redis.
    """

    def __init__(
        self, redis_url: str, authority: Authority, clippers: int = 1, served: str = "plain"
    ) -> None:
        redis = {"MOBULA_REDIS_URL": redis_url} if redis_url else {}
        arguments = [authority, str(clippers), served]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.cluster_process", *arguments],
            cwd=ROOT, env=process_environment(redis), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Self:
        try:
            found = json.loads(self._answer())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.url: str = found["url"]
        self.key: str = found["key"]
        self.home: str = found["home"]
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
        self._tell("kill", deployment)

    def wait_until_whole(self, *deployments: str) -> None:
        """Until what was killed before is replaced."""
        for deployment in deployments or ("Limiter", "Ingress"):
            self._tell("whole", deployment)

    def keep_limits_in(self, authority: Authority) -> None:
        """Deploy anew with another authority, and wait until that is up."""
        self._tell("authority", authority)

    def keep_answers_in(self, shared: Shared) -> None:
        """Deploy anew with another shared tier of the cache and the Limiter replica as authority,
        and wait until that is up."""
        self._tell("shared", shared)

    def ingress_addresses(self, replicas: int) -> dict[str, int]:
        """The URL of each ingress replica's own port, and its process, once so many are up."""
        found: dict[str, int] = json.loads(self._tell("addresses", str(replicas)))
        return found

    def replicas(self, deployment: str) -> list[int]:
        """The processes of a deployment's replicas."""
        found: list[int] = json.loads(self._tell("replicas", deployment))
        return found

    def controller(self) -> int:
        """The process of Serve's controller."""
        return int(self._tell("controller", "-"))

    def _tell(self, *words: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK):
                return line.removeprefix(MARK)
        raise AssertionError("the cluster's process ended")


def main(authority: str, clippers: int, served: str) -> None:
    from load_tests.benchmarks.common.local_serve import LocalServe

    with LocalServe() as local:
        deploy(local, authority, clippers=clippers, served=served)
        say(json.dumps({"url": local.url, "key": local.key, "home": str(local.home)}))
        commands: dict[str, Any] = {
            "kill": local.kill_one,
            "whole": local.wait_until_healthy,
            "authority": lambda found: deploy(local, found),
            "shared": lambda found: deploy(local, "embedded", found),
            "controller": lambda _: local.controller(),
            "replicas": local.replicas,
            "addresses": lambda count: local.wait_for_ingress(int(count)),
        }
        for line in sys.stdin:
            name, argument = line.split()
            say(json.dumps(commands[name](argument)))


def deploy(
    local: Any, authority: str, shared: str = "auto", clippers: int = 1, served: str = "plain"
) -> None:
    from graphs.app import build
    from graphs.args import AppArgs

    args = {
        **SETS[served],
        "limiter": {"authority": authority},
        "cache": {"shared": shared},
        "video": {"enabled": clippers > 0, "replicas": max(1, clippers), "gpu": False},
    }
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")


def say(text: str) -> None:
    sys.stdout.write(f"{MARK}{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
