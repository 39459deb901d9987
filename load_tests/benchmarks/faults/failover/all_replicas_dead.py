"""All replicas of a model are dead: one that has a fallback, and one that has none.

Serve's controller is stopped meanwhile, so that nothing is replaced.
"""

import asyncio
import os
import signal
import time
from collections.abc import Sequence

import httpx

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.faults.failover.faulty_replicas import (
    build_app,
    build_model_args,
    pause_process,
)
from load_tests.benchmarks.faults.failover.open_loop_load import (
    OpenLoopLoad,
    TimedRequest,
    create_client,
    quantile,
    read_call_stats,
    success_rate,
)

RATE = 20.0
PATIENCE_S = 2.0
_MODELS = ("covered", "alone")
_OPENS_S = 5.0  # by then the breaker has its minimum volume
_BREAKER = {"open_s": 2.0}
_BACK_S = 120.0


async def measure(local: LocalServe, seconds: float) -> list[Measurement]:
    local.run(_app(), "mobula", "/")
    async with (
        create_client(local.url, local.key) as client,
        OpenLoopLoad(client, "covered", RATE) as one,
        OpenLoopLoad(client, "alone", RATE) as two,
    ):
        await asyncio.sleep(3)
        with pause_process(local.controller()):
            died = time.monotonic()
            _kill_all(local)
            await asyncio.sleep(_OPENS_S)
            before = [await read_call_stats(client, name) for name in _MODELS]
            await asyncio.sleep(seconds)
            after = [await read_call_stats(client, name) for name in _MODELS]
            ended = time.monotonic()
        probes = [await _recovered(local, client, name) for name in _MODELS]
    measurements = []
    for name, offered in zip(_MODELS, (one, two), strict=True):
        first = offered.between(died, died + _OPENS_S)
        then = offered.between(died + _OPENS_S, ended - 0.5)
        measurements += _answers(name, first, then)
    for number, name in enumerate(_MODELS):
        attempts = after[number]["attempts"] - before[number]["attempts"]
        calls = RATE * seconds
        measurements.append(
            Measurement(name, "attempts upstream once open", attempts / calls, at_most=0.02)
        )
        measurements.append(
            Measurement(name, "probes until it is closed", probes[number], at_most=3)
        )
    return measurements


def _answers(
    name: str, first: Sequence[TimedRequest], then: Sequence[TimedRequest]
) -> list[Measurement]:
    every = [*first, *then]
    if name == "alone":
        refused = sum(shot.status == 503 for shot in every) / len(every)
        return [
            Measurement(name, "refused with 503", refused, at_least=1.0),
            Measurement(name, "slowest refusal", max(s.took for s in every), "s", at_most=10.0),
            Measurement(name, "p99 of refusals once open", quantile(then, 0.99), "s"),
        ]
    others = sum(shot.model == "stand-in" for shot in every) / len(every)
    return [
        Measurement(name, "success", success_rate(every), at_least=1.0),
        Measurement(name, "answered by the fallback", others),
        Measurement(name, "slowest answer", max(shot.took for shot in every), "s"),
        Measurement(name, "p99 of answers once open", quantile(then, 0.99), "s"),
    ]


async def _recovered(local: LocalServe, client: httpx.AsyncClient, name: str) -> int:
    """How many probes it took from when a replica was up until the breaker closed."""
    await asyncio.to_thread(local.wait_until_healthy, f"Model:{name}")
    up, until = await read_call_stats(client, name), time.monotonic() + _BACK_S
    while time.monotonic() < until:
        health = (await client.get("/health")).json()
        breaker = health["models"][name]["calls"]["breaker"]
        if breaker["state"] == "closed":
            return int(breaker["probes"] - up["probes"])
        await asyncio.sleep(0.05)
    return 1_000_000


def _kill_all(local: LocalServe) -> None:
    for name in _MODELS:
        for process in local.replicas(f"Model:{name}"):
            os.kill(process, signal.SIGKILL)


def _app() -> object:
    covered = {"breaker": _BREAKER, "fallback": ["stand-in"]}
    alone = {"breaker": _BREAKER, "patience_s": PATIENCE_S}
    return build_app(
        build_model_args("covered", replicas=2, resilience=covered),
        build_model_args("alone", replicas=2, resilience=alone),
        build_model_args("stand-in", replicas=1, first_token_s=0.0),
    )
