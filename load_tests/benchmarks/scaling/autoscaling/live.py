"""The same trace on a real cluster and in the simulator, with the same spec: do they agree?

Flows in: nothing. Flows out: replica-hours, latencies and targets of both. The model is the echo
engine at a set pace, so that a replica is full when its slots are, whatever the machine.
"""

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from cluster.autoscaling.spec import ScalingSpec
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.scaling.autoscaling.contenders import OurPolicies
from load_tests.benchmarks.scaling.autoscaling.simulated_replicas import ReplicaProfile
from load_tests.benchmarks.scaling.autoscaling.simulator import simulate
from load_tests.benchmarks.scaling.autoscaling.traces import HOUR, Trace, generate_renewals

SPEC = ScalingSpec(
    min_replicas=1,
    max_replicas=6,
    target_requests=4.0,
    forecast_quantile=0.6,
    cooldown_s=15.0,
)
SLOTS, PACE = 4, 20.0
STEPS = ((40, 1.0), (60, 5.0), (50, 0.8), (25, 7.0), (65, 0.8))  # seconds, requests a second
DEPLOYMENT = "Model:echo"
_LOOK_S = 0.25


def trace(seed: int = 1) -> Trace:
    """A step and a spike in four minutes."""
    random = np.random.default_rng(seed)
    rate = np.concatenate([np.full(seconds, each) for seconds, each in STEPS])
    arrivals = generate_renewals(random, rate, 1.0)
    answers = np.clip(np.ceil(random.lognormal(3.6, 0.4, len(arrivals))), 5, 100)
    return Trace(
        "live", seed, len(rate) / HOUR, 0.0, arrivals, np.full(len(arrivals), 20.0), answers
    )


@dataclass
class ReplicaWatch:
    """Counts replicas of the deployment, starting and stopping ones too, while it is entered."""

    seconds: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)

    def __enter__(self) -> "ReplicaWatch":
        self._began, self._ended = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(5)

    def hours(self, until_s: float) -> float:
        """Replica-hours up to `until_s` after the start."""
        at, counts = np.array(self.seconds), np.array(self.counts)
        spans = np.diff(np.minimum(np.append(at, at[-1]), until_s))
        return float((counts * spans).sum()) / HOUR

    def cold_start_s(self, spare: float = 60.0) -> float:
        """The mean time from a rise of the count to as many that answer; `spare` without one."""
        delays_s, rise = [], None
        for index in range(1, len(self.counts)):
            if self.counts[index] > self.counts[index - 1] and rise is None:
                rise = (self.seconds[index], self.counts[index])
            if rise and self.ready[index] >= rise[1]:
                delays_s.append(self.seconds[index] - rise[0])
                rise = None
        return float(np.mean(delays_s)) if delays_s else spare

    def _look(self) -> None:
        from ray import serve

        while not self._ended.wait(_LOOK_S):
            with contextlib.suppress(Exception):
                states = (
                    serve.status().applications["mobula"].deployments[DEPLOYMENT].replica_states
                )
                self.counts.append(sum(states.values()))
                self.ready.append(states.get("RUNNING", 0))
                self.seconds.append(time.monotonic() - self._began)


def compare_live() -> dict[str, Any]:
    """Run both; the simulator's replicas start as slowly as the real ones did."""
    trace_sent = trace()
    watch, latencies_s, failures = _live(trace_sent)
    until_s = trace_sent.length_s
    live_hours = watch.hours(until_s)
    cold_s = watch.cold_start_s()
    machine = ReplicaProfile(SLOTS, 1e9, PACE, cold_s, 65_536, patience_s=60.0)
    outcome = simulate(trace_sent, machine, OurPolicies(SPEC, machine), 1.0, 2.0, start=1)
    return {
        "requests": len(trace_sent.arrivals),
        "failed": failures,
        "cold_start_s": cold_s,
        "live_replica_hours": live_hours,
        "simulated_replica_hours": outcome.replica_hours,
        "ratio": outcome.replica_hours / live_hours,
        "live_peak": max(watch.counts),
        "simulated_peak": int(outcome.targets.max()),
        "live_p95_s": float(np.quantile(latencies_s, 0.95)),
        "live": [list(pair) for pair in zip(watch.seconds, watch.counts, strict=True)],
        "simulated": outcome.targets.tolist(),
    }


def _live(trace_sent: Trace) -> tuple[ReplicaWatch, list[float], int]:
    scaling = SPEC.model_dump(mode="json")
    with LocalServe() as local:
        key = local.deploy_mobula(
            scaling=scaling,
            max_running=SLOTS,
            tokens_per_second=PACE,
            max_waiting=1000,
            target_wait_s=60.0,
        )
        local.wait_until_healthy(DEPLOYMENT)
        with ReplicaWatch() as watch:
            latencies_s, failures = asyncio.run(_drive(local.url, key, trace_sent))
    return watch, latencies_s, failures


async def _drive(url: str, key: str, trace_sent: Trace) -> tuple[list[float], int]:
    """Send each request at its time; seconds of each answer, and how many were not 200."""
    headers = {"Authorization": f"Bearer {key}"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=90
    ) as client:
        began = time.monotonic()

        async def one(at: float, tokens: int) -> float | None:
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            sent = time.monotonic()
            answer = await client.post("/v1/chat/completions", json=_body(at, tokens))
            return time.monotonic() - sent if answer.status_code == 200 else None

        pairs = zip(trace_sent.arrivals, trace_sent.answers, strict=True)
        answers_s = await asyncio.gather(*(one(float(at), int(n)) for at, n in pairs))
    latencies_s = [seconds for seconds in answers_s if seconds is not None]
    return latencies_s, len(answers_s) - len(latencies_s)


def _body(at: float, tokens: int) -> dict[str, Any]:
    return {
        "model": "echo",
        "messages": [{"role": "user", "content": f"request at {at:.3f}"}],
        "max_tokens": tokens,
        "ignore_eos": True,
    }
