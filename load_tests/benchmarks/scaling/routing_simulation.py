"""Replicas and their callers in simulated time, to compare ways of spreading requests.

Flows in: how replicas are made, what happens to them and which policy spreads. Flows out: the
response times.

A replica decodes up to `SLOTS` sequences side by side, each at the same pace, and queues the rest;
a beginning that it has seen lately needs no prefill. Lengths are lognormal, as fitted to Azure's
published traces of 2023.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from typing import Protocol

from cluster.runtime.clock import ManualClock

SLOTS = 8
TOKENS_PER_S = 50.0  # of one sequence
PREFILL_TOKENS_PER_S = 2000.0
WARM = 40  # beginnings that a replica remembers
BEGINNINGS = 200
LONGEST = 2000
REPORTED_EVERY_S = 1.0
WATCHED_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class RequestLengths:
    """Mu and sigma of the logarithm of tokens."""

    prompt: tuple[float, float]
    answer: tuple[float, float]


CHAT = RequestLengths((6.63, 0.99), (5.02, 0.86))
CODE = RequestLengths((7.00, 1.36), (2.79, 0.85))


@dataclass(frozen=True, slots=True)
class Scenario:
    """`pace` of each replica; the first one stops from `stops_at` on for `stops_for` seconds.

    Counted are requests that come from `counted_from` on, until `counted_to`.
    """

    name: str
    pace: tuple[float, ...]
    lengths: RequestLengths = CHAT
    load: float = 0.6
    stops_at: float = 0.0
    stops_for: float = 0.0
    counted_from: float = 60.0
    counted_to: float = 600.0


@dataclass(slots=True)
class SimulatedRequest:
    """One request, and its attempt under way. `sent_at` is that of this attempt."""

    id: int
    at: float
    prompt: int
    answer: int
    beginning: int
    caller: int
    attempt: int = 1
    sent_at: float = 0.0
    accepted: bool = False
    done: bool = False

    @property
    def call(self) -> str:
        return f"{self.id}~{self.attempt}"


@dataclass(slots=True)
class SimulatedReplica:
    name: str
    pace: float
    running: int = 0
    queue: deque[SimulatedRequest] = field(default_factory=deque)
    mute: deque[SimulatedRequest] = field(default_factory=deque)  # sent to it while it is stopped
    warm: OrderedDict[int, None] = field(default_factory=OrderedDict)
    hits: int = 0
    runs_from: float = 0.0  # it is stopped until then

    @property
    def held(self) -> int:
        return self.running + len(self.queue)

    def service_s(self, request: SimulatedRequest) -> float:
        prefill_s = request.prompt / PREFILL_TOKENS_PER_S
        if request.beginning in self.warm:
            self.hits += 1
            prefill_s = 0.0
        self.warm[request.beginning] = None
        self.warm.move_to_end(request.beginning)
        if len(self.warm) > WARM:
            self.warm.popitem(last=False)
        return (prefill_s + request.answer / TOKENS_PER_S) / self.pace


class RoutingPolicy(Protocol):
    """One caller's way to spread. Silent: what it does with calls that nobody has taken."""

    def send(self, request: SimulatedRequest) -> str: ...
    def accepted(self, request: SimulatedRequest, name: str, held: int) -> None: ...
    def answered(self, request: SimulatedRequest, name: str, seconds: float) -> None: ...
    def reported(self, replicas: Sequence[SimulatedReplica]) -> None: ...
    def gives_up(self, request: SimulatedRequest, age_s: float) -> bool: ...


class Simulation:
    """One run. `policies`: one a caller; requests go to the callers in turn."""

    def __init__(
        self,
        scenario: Scenario,
        policy_of: Callable[[Sequence[str], ManualClock, Random], RoutingPolicy],
        seed: int,
        callers: int = 2,
    ) -> None:
        self._scenario = scenario
        self._clock = ManualClock(monotonic=0.0)
        self._random = Random(seed)
        self._replicas = {
            f"r{number}": SimulatedReplica(f"r{number}", pace)
            for number, pace in enumerate(scenario.pace)
        }
        names = tuple(self._replicas)
        self._policies = [policy_of(names, self._clock, Random(seed + n)) for n in range(callers)]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._unheard: dict[int, tuple[SimulatedRequest, str]] = {}
        self.times: list[tuple[float, float]] = []  # when it came, how long it took

    def run(self) -> None:
        scenario = self._scenario
        seconds = scenario.counted_to
        self._arrivals(seconds)
        self._every(REPORTED_EVERY_S, seconds * 2, self._report)
        self._every(WATCHED_EVERY_S, seconds * 2, self._watch)
        if scenario.stops_for:
            self._at(scenario.stops_at, self._stop)
        while self._events:
            at, _, happen = heapq.heappop(self._events)
            self._clock.advance(at - self._clock.monotonic())
            happen()

    @property
    def counted(self) -> list[float]:
        """Response times in seconds."""
        since = self._scenario.counted_from
        return [took for came, took in self.times if came >= since]

    @property
    def hit_share(self) -> float:
        return sum(each.hits for each in self._replicas.values()) / max(1, len(self.times))

    def _arrivals(self, seconds: float) -> None:
        random, now = self._random, 0.0
        scenario, lengths = self._scenario, self._scenario.lengths
        rate = scenario.load * capacity(scenario)
        for number in count():
            now += random.expovariate(rate)
            if now > seconds:
                return
            request = SimulatedRequest(
                number,
                now,
                _tokens(random, lengths.prompt),
                _tokens(random, lengths.answer),
                int(BEGINNINGS * random.random() ** 2),
                number % len(self._policies),
            )
            self._at(now, partial(self._send, request))

    def _send(self, request: SimulatedRequest) -> None:
        now = self._clock.monotonic()
        request.sent_at = now
        name = self._policies[request.caller].send(request)
        replica = self._replicas[name]
        if now < replica.runs_from:
            replica.mute.append(request)
            self._unheard[request.id] = request, name
        else:
            self._accept(replica, request)

    def _accept(self, replica: SimulatedReplica, request: SimulatedRequest) -> None:
        self._unheard.pop(request.id, None)
        request.accepted = True
        replica.queue.append(request)
        self._policies[request.caller].accepted(request, replica.name, replica.held)
        self._start(replica)

    def _start(self, replica: SimulatedReplica) -> None:
        while replica.queue and replica.running < SLOTS:
            request = replica.queue.popleft()
            replica.running += 1
            at = self._clock.monotonic() + replica.service_s(request)
            self._at(at, partial(self._finish, replica, request))

    def _finish(self, replica: SimulatedReplica, request: SimulatedRequest) -> None:
        now = self._clock.monotonic()
        if now < replica.runs_from:
            self._at(replica.runs_from, lambda: self._finish(replica, request))
            return
        replica.running -= 1
        self.times.append((request.at, now - request.at))
        policy = self._policies[request.caller]
        policy.answered(request, replica.name, now - request.sent_at)
        self._start(replica)

    def _stop(self) -> None:
        replica, scenario = self._replicas["r0"], self._scenario
        replica.runs_from = scenario.stops_at + scenario.stops_for
        self._at(replica.runs_from, lambda: self._go_on(replica))

    def _go_on(self, replica: SimulatedReplica) -> None:
        while replica.mute:
            self._accept(replica, replica.mute.popleft())

    def _report(self) -> None:
        for policy in self._policies:
            policy.reported(tuple(self._replicas.values()))

    def _watch(self) -> None:
        now = self._clock.monotonic()
        for request, name in tuple(self._unheard.values()):
            if self._policies[request.caller].gives_up(request, now - request.sent_at):
                self._replicas[name].mute.remove(request)
                del self._unheard[request.id]
                self._send(request)

    def _every(self, period_s: float, until: float, happen: Callable[[], None]) -> None:
        for number in range(1, int(until / period_s)):
            self._at(number * period_s, happen)

    def _at(self, at: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), happen))


def capacity(scenario: Scenario) -> float:
    """Requests a second, were half of the beginnings warm."""
    random, lengths, size = Random(1), scenario.lengths, 20_000
    prompt = sum(_tokens(random, lengths.prompt) for _ in range(size)) / size
    answer = sum(_tokens(random, lengths.answer) for _ in range(size)) / size
    mean_s = 0.5 * prompt / PREFILL_TOKENS_PER_S + answer / TOKENS_PER_S
    return sum(scenario.pace) * SLOTS / mean_s


def _tokens(random: Random, shape: tuple[float, float]) -> int:
    return max(1, min(LONGEST, int(random.lognormvariate(*shape))))
