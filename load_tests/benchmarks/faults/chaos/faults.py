"""What can be done to a cluster while it runs: planned changes, and things that die.

In: a Stage. Out: a Hit that says what was done, when, and what no server could have saved from it.
"""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from load_tests.benchmarks.faults.chaos.chaos_cluster import ChaosCluster

FROZEN_S = 8.0
EVERYTHING = ("Ingress", "Limiter", "Cache-0", "Model:echo", "Model:talk")


@dataclass(frozen=True)
class FaultAction:
    """What a fault did: to whom, and how many streams ran there and nowhere else."""

    target: str
    streams: int = 0


@dataclass(frozen=True)
class Fault:
    """`planned`: nobody should notice. `in_path`: it carries clients' connections, so what it held
    when it died is lost to its clients whatever the rest of the cluster does. `keeper`: it keeps
    limits, which refuse for a moment rather than guess (deployments/limiter/degraded_mode.py)."""

    name: str
    group: str
    act: Callable[[ChaosCluster], FaultAction]
    planned: bool = False
    in_path: bool = False
    keeper: bool = False


@dataclass
class InjectedFault:
    """One fault as it went; seconds since the run's start. `wrong` is what did not recover."""

    fault: Fault
    at: float
    action: FaultAction
    recovery_s: float = 0.0
    wrong: str = ""

    @property
    def end(self) -> float:
        return self.at + self.recovery_s


def _kill(kind: str) -> Callable[[ChaosCluster], FaultAction]:
    return lambda cluster: FaultAction(f"{kind}, process {cluster.kill(kind)}")


def _kill_talk(cluster: ChaosCluster) -> FaultAction:
    """The replica with the most streams, counted before it dies."""
    busiest = max(
        cluster.inspect_replicas("Model:talk"), key=lambda look: look["engine"]["handlers"]
    )
    cluster.kill("Model:talk", cluster.pids("Model:talk").index(busiest["pid"]))
    return FaultAction(f"Model:talk, process {busiest['pid']}", busiest["engine"]["handlers"])


def _freeze(kind: str) -> Callable[[ChaosCluster], FaultAction]:
    """It accepts and does not answer, for a while; what is in it then goes on late."""

    def act(cluster: ChaosCluster) -> FaultAction:
        pid = cluster.signal(kind, signal.SIGSTOP)
        time.sleep(FROZEN_S)
        if pid in cluster.pids(kind):
            cluster.resume(pid)
        return FaultAction(f"{kind}, process {pid}, for {FROZEN_S:g} s")

    return act


def _new_version(cluster: ChaosCluster) -> FaultAction:
    """Of both echo models, as if their weights had changed."""
    cluster.update("Model:echo", "Model:talk", version=cluster.version + 1)
    return FaultAction(f"version {cluster.version} of both echo models")


def _restart(what: str, *deployments: str) -> Callable[[ChaosCluster], FaultAction]:
    """As if the code had changed."""

    def act(cluster: ChaosCluster) -> FaultAction:
        cluster.update(*deployments, restart=(what,))
        return FaultAction(f"new processes of {what}")

    return act


def _scale(by: int) -> Callable[[ChaosCluster], FaultAction]:
    def act(cluster: ChaosCluster) -> FaultAction:
        before = cluster.models
        cluster.deploy(models=max(1, before + by))
        return FaultAction(f"models from {before} to {cluster.models} replicas")

    return act


def _redis_dies(cluster: ChaosCluster) -> FaultAction:
    assert cluster.redis is not None, "needs a Redis of the run's own"
    cluster.redis.kill()
    time.sleep(2.0)
    cluster.redis.start()
    return FaultAction("Redis, back empty after 2 s")


def _redis_freezes(cluster: ChaosCluster) -> FaultAction:
    assert cluster.redis is not None, "needs a Redis of the run's own"
    cluster.redis.freeze(FROZEN_S / 2)
    return FaultAction(f"Redis, for {FROZEN_S / 2:g} s")


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("update-models", "planned", _new_version, planned=True),
        Fault("scale-down", "planned", _scale(-1), planned=True),
        Fault("scale-up", "planned", _scale(+1), planned=True),
        Fault("update-ingress", "planned", _restart("ingress", "Ingress"), planned=True),
        Fault("update-all", "code", _restart("all", *EVERYTHING), planned=True, keeper=True),
        Fault("kill-model", "kills", _kill("Model:echo")),
        Fault("kill-talk", "kills", _kill_talk),
        Fault("kill-engine", "kills", _kill("engine")),
        Fault("freeze-model", "gray", _freeze("Model:echo")),
        Fault("kill-controller", "infra", _kill("controller")),
        Fault("kill-limiter", "infra", _kill("Limiter"), keeper=True),
        Fault("kill-cache", "infra", _kill("Cache-0")),
        Fault("kill-haproxy", "path", _kill("haproxy"), in_path=True),
        Fault("kill-ingress", "path", _kill("Ingress"), in_path=True),
        Fault("kill-redis", "redis", _redis_dies, keeper=True),
        Fault("freeze-redis", "redis", _redis_freezes, keeper=True),
    )
}
GROUPS = tuple(dict.fromkeys(fault.group for fault in FAULTS.values()))


def parse_faults(text: str) -> list[Fault]:
    """Of a comma-separated list of names and groups, `all` (but redis) or `none`, in that order.

    Raises ValueError naming what there is.
    """
    faults: list[Fault] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        some = _meant(word)
        if some is None:
            raise ValueError(f"{word!r}: faults are {', '.join((*GROUPS, *FAULTS, 'all', 'none'))}")
        faults += some
    return faults


def _meant(word: str) -> list[Fault] | None:
    if word == "none":
        return []
    if word in FAULTS:
        return [FAULTS[word]]
    if word == "all":
        return [fault for fault in FAULTS.values() if fault.group != "redis"]
    return [fault for fault in FAULTS.values() if fault.group == word] or None


def schedule_faults(count: int, requests: int) -> Sequence[int]:
    """After how many requests each of `count` faults comes: evenly, calm at both ends."""
    return [round(requests * (number + 1) / (count + 1)) for number in range(count)]
