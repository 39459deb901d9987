"""A fleet of replicas in simulated time: slots, queues, cold starts, draining.

Flows in: a trace, and after every step how many replicas are asked for. Flows out: each request's
wait, and replica-seconds. Knows no policy. Compiled, because a day has a million requests.

A request goes to the ready replica with the fewest open ones, as the `least-requests` router sends
it, and stays there: first come first served by `slots` places, each for the request's own service
time, which does not depend on the others. Without a ready replica it waits for one. A replica
that is asked for is ready `cold_start_s` later; one that is given up takes no more and is paid for
until its last request has ended; those that are still starting go first, then the newest.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from load_tests.benchmarks.scaling.autoscaling.traces import Trace

Array = npt.NDArray[np.float64]

OFF, STARTING, READY, DRAINING = 0, 1, 2, 3
NOTHING, AN_ARRIVAL, AN_END = -1, -2, -3
_MOST = 256  # replicas
NOW, OPEN_S, REPLICA_S, TOKEN_S, TOKENS = range(5)  # places in `sums`
NEXT, ENDS, OPEN, PAID, BOOTING, TOP = range(6)  # places in `counts`


@dataclass(frozen=True)
class ReplicaProfile:
    """What a replica is: `slots` requests at once, each reading its prompt and writing its answer
    at these tokens a second; `cold_start_s` from being asked for to its first answer. Who would
    wait longer than `patience_s` for a slot is refused, as the model's admission does."""

    slots: int = 8
    read_per_s: float = 8_000.0
    write_per_s: float = 30.0
    cold_start_s: float = 60.0
    tokens: int = 32_768
    patience_s: float = 10.0

    def services(self, trace: Trace) -> tuple[Array, Array]:
        """Seconds to the first token once it runs, and in a slot altogether."""
        first = trace.prompts / self.read_per_s
        return first, first + trace.answers / self.write_per_s


class SimulatedReplicas:
    """Moves only forward: `advance`, then look, then `scale_to`."""

    def __init__(self, trace: Trace, machine: ReplicaProfile, replicas: int) -> None:
        self.machine = machine
        self.first, service = machine.services(trace)
        self._requests = (trace.arrivals, service, trace.prompts + trace.answers / 2)
        self.waits = np.full(len(trace.arrivals), np.inf)
        self.status = np.zeros(_MOST, np.int64)
        self.status[:replicas] = READY
        self._times = np.zeros((_MOST, machine.slots + 1))  # when slots are free; since when it is
        self._open = np.zeros(_MOST, np.int64)
        size = 1 << 14
        self._ends: tuple[Array, Any, Array] = (
            np.empty(size),
            np.empty(size, np.int64),
            np.empty(size),
        )
        self.sums = np.zeros(5)
        self._counts = np.zeros(6, np.int64)
        self._counts[PAID] = self._counts[TOP] = replicas

    @property
    def ready(self) -> int:
        return int((self.status == READY).sum())

    @property
    def requested(self) -> int:
        return int(((self.status == READY) | (self.status == STARTING)).sum())

    def advance(self, until: float) -> None:
        if self._counts[ENDS] * 2 > len(self._ends[0]):
            self._ends = tuple(np.concatenate((part, part)) for part in self._ends)  # type: ignore[assignment]
        _advance(
            until,
            self.machine.patience_s,
            self._requests,
            self.waits,
            self.status,
            self._times,
            self._open,
            self._ends,
            self.sums,
            self._counts,
        )

    def scale_to(self, replicas: int) -> None:
        """That many from now on: start some, or give some up."""
        _scale_to(
            replicas,
            self.machine.cold_start_s,
            self.status,
            self._times,
            self._open,
            self.sums,
            self._counts,
        )


@njit(cache=True)
def _advance(until, patience_s, requests, waits, status, times, opened, ends, sums, counts):  # type: ignore[no-untyped-def]
    arrivals = requests[0]
    arrived = np.searchsorted(arrivals, sums[NOW], side="right")
    while True:
        at, event = _next(until, arrived, arrivals, status, times, ends, counts)
        seconds = at - sums[NOW]
        sums[OPEN_S] += seconds * (counts[OPEN] + arrived - counts[NEXT])
        sums[TOKEN_S] += seconds * sums[TOKENS]
        sums[REPLICA_S] += seconds * counts[PAID]
        sums[NOW] = at
        if event == NOTHING:
            return
        if event == AN_END:
            _end(ends, status, opened, sums, counts)
        elif event == AN_ARRIVAL:
            arrived += 1
        else:  # that replica is ready
            status[event] = READY
            counts[BOOTING] -= 1
            times[event, : times.shape[1] - 1] = at
        while counts[NEXT] < arrived and _least(status, opened, counts[TOP]) >= 0:
            best = _least(status, opened, counts[TOP])
            _assign(best, at, patience_s, requests, waits, times, opened, ends, sums, counts)


@njit(cache=True)
def _next(until, arrived, arrivals, status, times, ends, counts):  # type: ignore[no-untyped-def]
    """When the next thing happens, and what: an end before an arrival before a replica."""
    at, event = until, NOTHING
    if counts[BOOTING]:
        for index in range(counts[TOP]):
            if status[index] == STARTING and times[index, -1] < at:
                at, event = times[index, -1], index
    if arrived < len(arrivals) and arrivals[arrived] < at:
        at, event = arrivals[arrived], AN_ARRIVAL
    if counts[ENDS] and ends[0][0] <= at:
        at, event = ends[0][0], AN_END
    return at, event


@njit(cache=True)
def _least(status, opened, top):  # type: ignore[no-untyped-def]
    best = -1
    for index in range(top):
        if status[index] == READY and (best < 0 or opened[index] < opened[best]):
            best = index
    return best


@njit(cache=True)
def _assign(replica, at, patience_s, requests, waits, times, opened, ends, sums, counts):  # type: ignore[no-untyped-def]
    arrivals, services, tokens = requests
    request = counts[NEXT]
    slots = times.shape[1] - 1
    slot = 0
    for other in range(1, slots):
        if times[replica, other] < times[replica, slot]:
            slot = other
    start = max(at, times[replica, slot])
    counts[NEXT] += 1
    if start - arrivals[request] > patience_s:
        return
    waits[request] = start - arrivals[request]
    times[replica, slot] = start + services[request]
    opened[replica] += 1
    counts[OPEN] += 1
    sums[TOKENS] += tokens[request]
    index = counts[ENDS]
    counts[ENDS] += 1
    while index > 0:  # sift up a heap by time
        above = (index - 1) // 2
        if ends[0][above] <= times[replica, slot]:
            break
        _move(ends, above, index)
        index = above
    ends[0][index], ends[1][index], ends[2][index] = times[replica, slot], replica, tokens[request]


@njit(cache=True)
def _move(ends, source, index):  # type: ignore[no-untyped-def]
    ends[0][index], ends[1][index] = ends[0][source], ends[1][source]
    ends[2][index] = ends[2][source]


@njit(cache=True)
def _end(ends, status, opened, sums, counts):  # type: ignore[no-untyped-def]
    replica = ends[1][0]
    opened[replica] -= 1
    counts[OPEN] -= 1
    sums[TOKENS] -= ends[2][0]
    if status[replica] == DRAINING and not opened[replica]:
        status[replica] = OFF
        counts[PAID] -= 1
    counts[ENDS] -= 1
    last = counts[ENDS]
    time, who, held = ends[0][last], ends[1][last], ends[2][last]
    index = 0
    while True:  # sift down
        below = 2 * index + 1
        if below >= last:
            break
        if below + 1 < last and ends[0][below + 1] < ends[0][below]:
            below += 1
        if ends[0][below] >= time:
            break
        _move(ends, below, index)
        index = below
    ends[0][index], ends[1][index], ends[2][index] = time, who, held


@njit(cache=True)
def _scale_to(replicas, cold_start_s, status, times, opened, sums, counts):  # type: ignore[no-untyped-def]
    requested = 0
    for index in range(counts[TOP]):
        requested += status[index] == READY or status[index] == STARTING
    for _ in range(replicas - requested):
        free = 0
        while status[free] != OFF:
            free += 1
        status[free] = STARTING
        times[free, -1] = sums[NOW] + cold_start_s
        counts[PAID] += 1
        counts[BOOTING] += 1
        counts[TOP] = max(counts[TOP], free + 1)
    for _ in range(requested - replicas):
        _give_up(status, times, opened, counts)


@njit(cache=True)
def _give_up(status, times, opened, counts):  # type: ignore[no-untyped-def]
    kind = STARTING if counts[BOOTING] else READY
    newest = -1
    for index in range(counts[TOP]):
        if status[index] == kind and (newest < 0 or times[index, -1] > times[newest, -1]):
            newest = index
    counts[BOOTING] -= kind == STARTING
    if opened[newest]:
        status[newest] = DRAINING
    else:
        status[newest] = OFF
        counts[PAID] -= 1
