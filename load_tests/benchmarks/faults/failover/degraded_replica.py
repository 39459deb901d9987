"""One of three replicas is stopped, ten times as slow, or takes requests and hangs.

Every fault is met by two models at the same time, so that both have the same noise: one that
hedges and one that does not. Twice, with slow replicas left out of the rotation and without.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.faults.failover.faulty_replicas import (
    CAPACITY,
    build_app,
    build_model_args,
    inject_fault,
    pause_process,
)
from load_tests.benchmarks.faults.failover.open_loop_load import (
    OpenLoopLoad,
    TimedRequest,
    create_client,
    quantile,
    success_rate,
)

LOAD = 0.4  # so that two replicas can carry it without a queue
SILENCE_S = 1.0
_HEDGE = {"quantile": 0.95, "share": 0.2}  # a share of just 1 - quantile would run out
_MODELS = ("unhedged", "hedged")
_FAULTS = ("stopped", "slow", "hanging")
_SETTLES_S = 4.0  # after a fault, until the figures "later" are taken
_RECOVERS_S = 6.0
_OPEN_S = 1.0  # what is due so shortly before a fault is still open when it comes


async def measure(local: LocalServe, seconds: float, faults: Sequence[str]) -> list[Measurement]:
    measurements: list[Measurement] = []
    for ejecting in (False, True):
        local.run(_app(ejecting), "mobula", "/")
        async with create_client(local.url, local.key) as client:
            for fault in faults or _FAULTS:
                measurements += await _one(local, client, fault, seconds, ejecting)
                await asyncio.sleep(_RECOVERS_S)
    return measurements


def _app(ejecting: bool) -> Any:
    ejection = {"enabled": ejecting, "silence_s": SILENCE_S}
    routing = {"routing": {"ejection": ejection}}
    return build_app(
        build_model_args("unhedged", **routing),
        build_model_args("hedged", **routing, resilience={"hedge": _HEDGE}),
    )


async def _one(
    local: LocalServe, client: httpx.AsyncClient, fault: str, seconds: float, ejecting: bool
) -> list[Measurement]:
    for name in _MODELS:
        await asyncio.to_thread(local.wait_until_healthy, f"Model:{name}")
    rate = LOAD * CAPACITY
    async with (
        OpenLoopLoad(client, "unhedged", rate) as one,
        OpenLoopLoad(client, "hedged", rate) as two,
    ):
        await asyncio.sleep(_SETTLES_S)  # connections and estimates
        began = time.monotonic()
        await asyncio.sleep(seconds)
        with _degraded(local, fault):
            fell = time.monotonic()
            await asyncio.sleep(_SETTLES_S + seconds)
            ended = time.monotonic()
    part = f"{fault}, {'ejection' if ejecting else 'no ejection'}"
    measurements = []
    for name, offered in zip(_MODELS, (one, two), strict=True):
        times = {
            "before": offered.between(began, fell - _OPEN_S),
            "at first": offered.between(fell - _OPEN_S, fell + _SETTLES_S),
            "later": offered.between(fell + _SETTLES_S, ended),
        }
        measurements += _figures(part, name, times, recovers=ejecting)
    plain, hedged = (offered.between(fell, ended) for offered in (one, two))
    cut = 1 - quantile(hedged, 0.99) / quantile(plain, 0.99)
    promised = 0.3 if fault == "slow" and not ejecting else None
    return [*measurements, Measurement(part, "hedging cuts p99 by", cut, at_least=promised)]


def _figures(
    part: str, name: str, times: dict[str, list[TimedRequest]], *, recovers: bool
) -> list[Measurement]:
    measurements = [
        Measurement(part, f"{name}: p99 {when}", quantile(shots, 0.99), "s")
        for when, shots in times.items()
    ]
    later = quantile(times["later"], 0.99) / quantile(times["before"], 0.99)
    limit = 2.0 if recovers else None
    everything = [shot for shots in times.values() for shot in shots]
    return [
        *measurements,
        Measurement(part, f"{name}: p99 later / before", later, at_most=limit),
        Measurement(part, f"{name}: success", success_rate(everything)),
    ]


@contextmanager
def _degraded(local: LocalServe, fault: str) -> Iterator[None]:
    """One replica of each model is ill while the body runs."""
    with ExitStack() as stack:
        for name in _MODELS:
            process = local.replicas(f"Model:{name}")[0]
            if fault == "stopped":
                stack.enter_context(pause_process(process))
            else:
                stack.enter_context(inject_fault(local.home, process, fault))  # type: ignore[arg-type]
        yield
