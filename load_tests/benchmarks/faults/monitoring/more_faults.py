"""Faults for alert rules, beside those of ../injections: of processes and of the store.

In: a WatchedCluster. Out: the fault, for as long as its context is entered.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cluster.ops.processes import send
from cluster.production.alerts.thresholds import ENDED_REPLICAS
from load_tests.benchmarks.common.mobula_command import wait_for
from load_tests.benchmarks.faults.injections.held_write_lock import HeldWriteLock
from load_tests.benchmarks.faults.injections.stopped_processes import StoppedProcesses
from load_tests.benchmarks.faults.injections.watched_cluster import FRAIL, WatchedCluster

LATE_S, FREE_S = 0.9, 0.3
KILL_EVERY_S = 2.0
RESTARTS_S = 120.0
AWAY_S = 3600.0


@contextmanager
def dying_replicas(cluster: WatchedCluster) -> Iterator[None]:
    """Each replica of a model is killed soon after it has started; entered when as many are dead as
    the rule counts."""
    kind = f"Model:{FRAIL}"
    killed: set[int] = set()

    def kill(over: threading.Event) -> None:
        while not over.wait(KILL_EVERY_S):
            found = cluster.processes().get(kind, ())
            send(signal.SIGKILL, found)
            killed.update(process.pid for process in found)

    with _in_background(kill):
        wait_for(lambda: len(killed) >= ENDED_REPLICAS, "replicas to die", RESTARTS_S)
        yield


@contextmanager
def late_loop(cluster: WatchedCluster) -> Iterator[None]:
    """The processes of a model stand still for most of the time."""

    def stop(over: threading.Event) -> None:
        while not over.wait(FREE_S):
            found = list(cluster.processes().get(f"Model:{FRAIL}", ()))
            send(signal.SIGSTOP, found)
            over.wait(LATE_S)
            send(signal.SIGCONT, found)

    with _in_background(stop):
        yield


@contextmanager
def store_away(cluster: WatchedCluster) -> Iterator[None]:
    """Nobody can write to it."""
    with HeldWriteLock(cluster.home / "mobula.db", AWAY_S, 0.0):
        yield


@contextmanager
def api_away(cluster: WatchedCluster) -> Iterator[None]:
    """HAProxy stands still: no request reaches a replica."""
    with StoppedProcesses(cluster.processes, "haproxy"):
        yield


@contextmanager
def _in_background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
