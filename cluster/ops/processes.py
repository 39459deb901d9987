"""Which processes belong to a cluster, and ending them all.

Flows in: a cluster's id. `up` puts it into the environment of `ray start`, every process of the
cluster inherits it, and the kernel shows it in /proc, whoever the parent is by now. (Ray's
process titles would overwrite that memory; SPT_NOENV=1, set beside the id, stops this.) So
nothing that belongs to anybody else can be hit, and nothing of ours can hide.
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

Alive = Callable[[], list[psutil.Process]]
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ClusterId:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: float

    @classmethod
    def this(cls) -> "ClusterId":
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> "ClusterId":
        """Raises psutil.NoSuchProcess where there is none."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process, if it is still running."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            gone = process.status() == psutil.STATUS_ZOMBIE
            if not gone and abs(process.create_time() - self.started) < 0.1:
                return process
        return None

    def processes(self) -> list[psutil.Process]:
        """The same as a list of one or none."""
        found = self.process()
        return [] if found is None else [found]


def cluster_processes(cluster_id: str) -> list[psutil.Process]:
    """Every living process of the cluster, except this one."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if process.pid not in found and _is_marked(process, cluster_id):
            for member in _with_descendants(process):
                found[member.pid] = member
    found.pop(os.getpid(), None)
    return list(found.values())


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


def end_all(alive: Alive, grace_s: float = 5.0, clock: Clock | None = None) -> int:
    """Ask everything in `alive()` to end, then make it. Returns how many there were.

    When it returns, they have also closed their sockets.
    """
    clock = clock or SystemClock()
    ended = {process.pid: process for process in send(signal.SIGTERM, alive())}
    wait_until_gone(alive, grace_s, clock)
    for _ in range(20):  # a killed parent may have spawned once more
        left = send(signal.SIGKILL, alive())
        if not left:
            break
        ended.update((process.pid, process) for process in left)
        wait_until_gone(alive, 0.5, clock)
    wait_until_gone(lambda: [each for each in ended.values() if _holds_files(each)], 5.0, clock)
    return len(ended)


def _holds_files(process: psutil.Process) -> bool:
    """A killed process counts as a zombie while its last threads still hold its sockets open."""
    try:
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return not zombie or process.num_threads() > 1
    except psutil.Error:
        return False


def send(number: signal.Signals, processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Signal each process that is still there; returns those."""
    reached: list[psutil.Process] = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
            reached.append(process)
    return reached


def wait_until_gone(alive: Alive, timeout_s: float, clock: Clock | None = None) -> bool:
    """Whether `alive` came back empty within the time."""
    clock = clock or SystemClock()
    until = clock.monotonic() + timeout_s
    while alive():
        if clock.monotonic() >= until:
            return False
        time.sleep(POLL_S)
    return True
