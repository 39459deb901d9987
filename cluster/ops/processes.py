"""Finds and ends the processes of a cluster.

In: a cluster's id. `up` sets it in the environment of `ray start`, every process of the cluster
inherits it, and /proc shows it even for orphans. (Ray's process titles would overwrite that memory;
SPT_NOENV=1, set with the id, prevents this.) So only processes of the cluster are ended, and all of
them.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.settings import MARKER

ListProcesses = Callable[[], list[psutil.Process]]
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ClusterId:
    """A process, identified by pid and start time, so that a reused pid does not match."""

    pid: int
    started: float

    @classmethod
    def this(cls) -> "ClusterId":
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> "ClusterId":
        """Raises psutil.NoSuchProcess if it does not exist."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process, if it is still running."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
            if not is_zombie and abs(process.create_time() - self.started) < 0.1:
                return process
        return None

    def processes(self) -> list[psutil.Process]:
        """The process as a list of one or none."""
        process = self.process()
        return [] if process is None else [process]


def cluster_processes(cluster_id: str) -> list[psutil.Process]:
    """Every living process of the cluster, except this one."""
    members: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if process.pid not in members and _is_marked(process, cluster_id):
            for member in _with_descendants(process):
                members[member.pid] = member
    members.pop(os.getpid(), None)
    return list(members.values())


def _is_marked(process: psutil.Process, cluster_id: str) -> bool:
    try:
        return process.environ().get(MARKER) == cluster_id
    except (psutil.Error, OSError):  # gone, not ours to read, or a kernel thread
        return False


def _with_descendants(process: psutil.Process) -> Iterable[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        alive = [process, *process.children(recursive=True)]
        return [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]
    return []


def end_all(alive: ListProcesses, grace_s: float = 5.0, clock: Clock | None = None) -> int:
    """Sends SIGTERM to the processes of `alive()`, then SIGKILL. Returns how many there were.

    When it returns, their sockets are closed as well.
    """
    clock = clock or SystemClock()
    ended = {process.pid: process for process in send(signal.SIGTERM, alive())}
    wait_until_gone(alive, grace_s, clock)
    for _ in range(20):  # a killed parent may have started another process
        survivors = send(signal.SIGKILL, alive())
        if not survivors:
            break
        ended.update((process.pid, process) for process in survivors)
        wait_until_gone(alive, 0.5, clock)
    wait_until_gone(lambda: [each for each in ended.values() if _holds_files(each)], 5.0, clock)
    return len(ended)


def _holds_files(process: psutil.Process) -> bool:
    """Whether it still holds sockets: a zombie does while its last threads end."""
    try:
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return not zombie or process.num_threads() > 1
    except psutil.Error:
        return False


def send(number: signal.Signals, processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Sends a signal to each process that still exists; returns those."""
    reached: list[psutil.Process] = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
            reached.append(process)
    return reached


def wait_until_gone(alive: ListProcesses, timeout_s: float, clock: Clock | None = None) -> bool:
    """Waits until `alive()` is empty; returns whether it was within the timeout."""
    clock = clock or SystemClock()
    deadline = clock.monotonic() + timeout_s
    while alive():
        if clock.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True
