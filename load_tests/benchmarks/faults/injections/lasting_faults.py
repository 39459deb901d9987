"""Eight faults of a running cluster, each with the part that is at fault.

In: a WatchedCluster. Out: the fault, for as long as its context is entered. What is looked at
afterwards (health, metrics, panels, alerts) is the caller's.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import httpx

from load_tests.benchmarks.common.clip_orders import order_clips
from load_tests.benchmarks.common.mobula_command import wait_for
from load_tests.benchmarks.faults.injections.event_source import EventSource
from load_tests.benchmarks.faults.injections.held_write_lock import HeldWriteLock
from load_tests.benchmarks.faults.injections.leaking_replica import LeakingReplica
from load_tests.benchmarks.faults.injections.poisoned_tenant import PoisonedTenant
from load_tests.benchmarks.faults.injections.stopped_processes import StoppedProcesses
from load_tests.benchmarks.faults.injections.watched_cluster import FRAIL, STEADY, WatchedCluster

RUNNING_S = 60.0
CLIPS = {"count": 3, "min_s": 8, "max_s": 15, "captions": "none", "quality": "draft"}


@dataclass(frozen=True)
class LastingFault:
    """`inject` makes it and mends it at its end. `part` is what an operator should find at fault;
    `dependency` is what `mobula health` shows (None: it knows nothing of this), `metric` a sample
    of /metrics that tells, with the labels that name the part."""

    name: str
    part: str
    inject: Callable[[WatchedCluster], AbstractContextManager[None]]
    dependency: str | None
    metric: str


@contextmanager
def _dead_model(cluster: WatchedCluster) -> Iterator[None]:
    """Killed, and every replica that Serve starts instead comes to nothing."""
    with StoppedProcesses(cluster.processes, f"Model:{FRAIL}", signal.SIGKILL):
        yield


@contextmanager
def _slow_store(cluster: WatchedCluster) -> Iterator[None]:
    with HeldWriteLock(cluster.home / "mobula.db"):
        yield


@contextmanager
def _full_disk(cluster: WatchedCluster) -> Iterator[None]:
    with cluster.disk.full():
        yield


@contextmanager
def _redis_away(cluster: WatchedCluster) -> Iterator[None]:
    cluster.redis.kill()
    try:
        yield
    finally:
        cluster.redis.start()


@contextmanager
def _dropped_webhook(cluster: WatchedCluster) -> Iterator[None]:
    """The receiver answers 500 to an event every few seconds."""
    with EventSource(cluster.http, cluster.receiver.url), cluster.receiver.failing():
        yield


@contextmanager
def _poisoned_tenant(cluster: WatchedCluster) -> Iterator[None]:
    with PoisonedTenant(cluster.url, cluster.keys["poisoned"], STEADY):
        yield


@contextmanager
def _leak(cluster: WatchedCluster) -> Iterator[None]:
    """In the model's replica: real memory of its process."""
    with LeakingReplica(cluster.home, cluster.command.state(), f"Model:{FRAIL}"):
        yield


@contextmanager
def _stuck_job(cluster: WatchedCluster) -> Iterator[None]:
    """The worker stops while it holds the job's lease, and every one that Serve starts instead."""
    job = order_clips(cluster.http, cluster.command.folder, CLIPS)
    wait_for(lambda: _state(cluster, job) == "running", "the job to run", RUNNING_S)
    with StoppedProcesses(cluster.processes, "Clipper"):
        yield


def _state(cluster: WatchedCluster, job: str) -> str:
    with contextlib.suppress(httpx.HTTPError):
        return str(cluster.http.get(job).raise_for_status().json()["state"])
    time.sleep(0.2)
    return ""


LASTING_FAULTS = {
    fault.name: fault
    for fault in (
        LastingFault(
            "dead-model",
            f"the model '{FRAIL}'",
            _dead_model,
            f"model:{FRAIL}",
            f'mobula_model_links{{model="{FRAIL}"}}',
        ),
        LastingFault(
            "slow-store",
            "the relational store",
            _slow_store,
            "store",
            'mobula_store_transaction_seconds_sum{kind="write"}',
        ),
        LastingFault(
            "full-disk",
            "the disk of the home",
            _full_disk,
            "disk:home",
            'mobula_dependency_up{dependency="disk:home"}',
        ),
        LastingFault(
            "redis-away",
            "Redis",
            _redis_away,
            "redis",
            "mobula_limit_authority_up",
        ),
        LastingFault(
            "dropped-webhook",
            "the receiver of a webhook",
            _dropped_webhook,
            "webhooks",
            'mobula_webhook_deliveries_total{outcome="retried"}',
        ),
        LastingFault(
            "poisoned-tenant",
            "the tenant 'poisoned'",
            _poisoned_tenant,
            None,
            'mobula_tenant_requests_total{tenant="poisoned"}',
        ),
        LastingFault(
            "leak",
            f"a replica of the model '{FRAIL}'",
            _leak,
            None,
            f'mobula_process_resident_memory_bytes{{deployment="Model:{FRAIL}"}}',
        ),
        LastingFault(
            "stuck-job",
            "the worker of video jobs",
            _stuck_job,
            "clipper",
            'mobula_dependency_up{dependency="clipper"}',
        ),
    )
}
