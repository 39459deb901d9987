"""One of three replicas is killed while the model is under load."""

import asyncio
import os
import signal
import statistics
import time
from collections import Counter
from importlib import import_module
from typing import Any

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.faults.failover.faulty_replicas import (
    CAPACITY,
    REPLICAS,
    SERVICE_S,
    build_app,
    build_model_args,
)
from load_tests.benchmarks.faults.failover.open_loop_load import (
    OpenLoopLoad,
    create_client,
    quantile,
    success_rate,
)

LOAD = 0.6
DEPLOYMENT = "Model:killed"
_STARTS = 3
_LOOK_S = 0.2


async def measure(local: LocalServe, seconds: float) -> list[Measurement]:
    local.run(build_app(build_model_args("killed")), "mobula", "/")
    async with (
        create_client(local.url, local.key) as client,
        OpenLoopLoad(client, "killed", LOAD * CAPACITY) as offered,
    ):
        plain_s = await asyncio.to_thread(_plain_starts)
        began = time.monotonic()
        await asyncio.sleep(seconds)
        killed = time.monotonic()
        replaced_s = await asyncio.to_thread(_kill_and_wait, local)
        await asyncio.sleep(max(0.0, killed + seconds - time.monotonic()))
    before = offered.between(began, began + seconds)
    after = [shot for shot in offered.shots if shot.due >= killed]
    added_s = quantile(after, 0.99) - quantile(before, 0.99)
    failed = Counter(shot.status for shot in after if shot.status != 200).items()
    part = "killed 1 of 3"
    return [
        Measurement(part, "requests after the kill", len(after)),
        Measurement(part, "success", success_rate(after), at_least=0.995),
        *(
            Measurement(part, f"answered with {status or 'nothing'}", count)
            for status, count in failed
        ),
        Measurement(part, "p99 before", quantile(before, 0.99), "s"),
        Measurement(part, "p99 after", quantile(after, 0.99), "s"),
        Measurement(part, "added at p99", added_s / SERVICE_S, "service times", at_most=1.0),
        Measurement(part, "replacement serves after", replaced_s, "s"),
        Measurement(part, "a plain actor starts in", plain_s, "s"),
        Measurement(part, "replacement / plain actor", replaced_s / plain_s, at_most=1.5),
    ]


def _plain_starts() -> float:
    """The median time until an actor with a replica's imports answers, one after the other."""
    import ray

    times = []
    for _ in range(_STARTS):
        began = time.monotonic()
        actor: Any = ray.remote(num_cpus=0.1)(_Plain).remote()
        ray.get(actor.ready.remote())
        times.append(time.monotonic() - began)
        ray.kill(actor)
    return statistics.median(times)


class _Plain:
    """As much as a replica has to import, and nothing of Serve."""

    def __init__(self) -> None:
        for module in ("ray.serve._private.replica", "deployments.model.deployment"):
            import_module(module)

    def ready(self) -> bool:
        return True


def _kill_and_wait(local: LocalServe) -> float:
    """Seconds until Serve runs as many replicas as before."""
    began, old = time.monotonic(), local.replicas(DEPLOYMENT)
    assert len(old) == REPLICAS, f"{len(old)} replicas are up"
    os.kill(old[0], signal.SIGKILL)
    while local.count_running(DEPLOYMENT) >= REPLICAS and time.monotonic() - began < 10:
        time.sleep(_LOOK_S)
    while local.count_running(DEPLOYMENT) < REPLICAS:
        time.sleep(_LOOK_S)
    return time.monotonic() - began
