"""What the cluster's processes hold, sampled while it runs, and whether that grows.

Out: a row for each kind of process and moment. Growth compares the medians of the first and the
last fifth after warm-up, over processes that lived all that time.
"""

import statistics
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psutil

from load_tests.benchmarks.faults.chaos.chaos_cluster import ChaosCluster

LOOKED_AT = ("Ingress", "Model:echo", "Model:talk", "Limiter")
MEASURES = ("rss_mib", "fds", "threads", "tasks", "objects")
_PART = 0.2


@dataclass(frozen=True, slots=True)
class ResourceSample:
    """One process at one moment (seconds since the start); measures that nobody could take are
    missing. `objects` are those of Python, `tasks` those of asyncio."""

    at: float
    kind: str
    pid: int
    measures: dict[str, float]


@dataclass(frozen=True, slots=True)
class ResourceGrowth:
    """Of all processes of a kind together; `share` of what it was first."""

    kind: str
    measure: str
    first: float
    last: float
    processes: int

    @property
    def share(self) -> float:
        return self.last / self.first - 1 if self.first else 0.0


@dataclass
class ResourceSampler:
    """Samples in a thread of its own every `every_s`, from `start` until `stop`."""

    cluster: ChaosCluster
    origin: float
    every_s: float
    samples: list[ResourceSample] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="vitals", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def sample(self) -> None:
        at = time.monotonic() - self.origin
        within = self._within()
        for kind, processes in self.cluster.processes().items():
            for process in processes:
                measures = _outside(process) | within.get(process.pid, {})
                if measures:
                    self.samples.append(ResourceSample(at, kind, process.pid, measures))

    def _within(self) -> dict[int, dict[str, float]]:
        looks = (look for kind in LOOKED_AT for look in self.cluster.inspect_replicas(kind))
        return {look["pid"]: {name: look[name] for name in ("tasks", "objects")} for look in looks}

    def _run(self) -> None:
        while not self._stopped.wait(self.every_s):
            self.sample()


def _outside(process: psutil.Process) -> dict[str, float]:
    try:
        with process.oneshot():
            return {
                "rss_mib": process.memory_info().rss / 2**20,
                "fds": process.num_fds(),
                "threads": process.num_threads(),
            }
    except psutil.Error:
        return {}


def measure_growth(samples: Sequence[ResourceSample], warm_s: float) -> list[ResourceGrowth]:
    """By kind and measure; empty with fewer than ten moments after warm-up."""
    moments = sorted({vital.at for vital in samples if vital.at >= warm_s})
    if len(moments) < 10:
        return []
    part = max(2, int(len(moments) * _PART))
    begin, finish = set(moments[:part]), set(moments[-part:])
    lived = _pids(samples, begin) & _pids(samples, finish)
    kinds = sorted({vital.kind for vital in samples if vital.pid in lived})
    growths = []
    for kind in kinds:
        ours = [v for v in samples if v.kind == kind and v.pid in lived]
        pids = {v.pid for v in ours}
        for measure in MEASURES:
            first = sum(_median(ours, pid, measure, begin) for pid in pids)
            last = sum(_median(ours, pid, measure, finish) for pid in pids)
            if first or last:
                growths.append(ResourceGrowth(kind, measure, first, last, len(pids)))
    return growths


def _pids(samples: Iterable[ResourceSample], moments: set[float]) -> set[int]:
    """Those that were there at each of the moments."""
    at_each = [{v.pid for v in samples if v.at == moment} for moment in moments]
    return set.intersection(*at_each)


def _median(
    samples: Iterable[ResourceSample], pid: int, measure: str, moments: set[float]
) -> float:
    values = [
        v.measures[measure]
        for v in samples
        if v.pid == pid and v.at in moments and measure in v.measures
    ]
    return statistics.median(values) if values else 0.0
