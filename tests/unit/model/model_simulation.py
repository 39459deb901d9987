"""A model in simulated time: tenants' requests in, what each was served and refused out.

Drives the real `Admission` with a clock that jumps from event to event; a place is held for as
long as its answer takes to write. Nothing sleeps.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Problem
from cluster.tenants.caller import Caller, Priority
from deployments.contracts.generation import GenerateRequest, Sampling
from deployments.model.queueing.admission import Admission, QueueTicket

SECONDS_A_TOKEN = 0.01


@dataclass
class Load:
    """Poisson arrivals of one tenant between two times.

    `tokens` draws the length of an answer.
    """

    tenant: str
    per_second: float
    tokens: Callable[[random.Random], int] = lambda rng: rng.randint(20, 180)
    weight: float = 1.0
    priority: Priority = Priority.STANDARD
    prompt: int = 50
    choices: int = 1
    timeout_s: float = 30.0
    start_s: float = 0.0
    end_s: float = 1e9


@dataclass
class Outcome:
    """What became of one kind of request of one tenant."""

    offered: int = 0
    answered: int = 0
    late: int = 0
    cost: float = 0.0
    refused: dict[str, int] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        return self.answered / self.offered


@dataclass
class _Open:
    load: Load
    place: QueueTicket
    lengths: list[int]
    begun: int = 0


class ModelSimulation:
    """`outcomes` by (tenant, priority); cost is 1 for a prompt token, 4 for an answer's."""

    def __init__(
        self,
        loads: list[Load],
        max_running: int = 8,
        max_waiting: int = 64,
        target_wait_s: float = 2.0,
        streamed: bool = False,
        seed: int = 1,
    ) -> None:
        self.clock = ManualClock()
        self.admission = Admission(max_running, max_waiting, target_wait_s, self.clock)
        self.outcomes = {(load.tenant, load.priority): Outcome() for load in loads}
        self.levels: list[tuple[float, float]] = []
        self._start = self.clock.monotonic()
        self._loads, self._streamed = loads, streamed
        self._random = random.Random(seed)
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._waiting: list[_Open] = []

    def run(self, seconds: float) -> None:
        for load in self._loads:
            self._at(self._start + load.start_s, lambda load=load: self._arrive(load))
        while self._events and self._events[0][0] <= self._start + seconds:
            at, _, event = heapq.heappop(self._events)
            self.clock.advance(max(0.0, at - self.clock.monotonic()))
            event()
            self._begin_granted()
            self.admission.load()
            self.levels.append((self.now, self.admission.shedder.level))
            assert self.admission.running <= self.admission.queue.limit
            assert self.admission.waiting <= self.admission.max_waiting
            assert not self.admission.waiting or not self.admission.queue.free

    @property
    def now(self) -> float:
        return self.clock.monotonic() - self._start

    def outcome(self, tenant: str, priority: Priority = Priority.STANDARD) -> Outcome:
        return self.outcomes[tenant, priority]

    def _at(self, at: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._numbers), event))

    def _arrive(self, load: Load) -> None:
        if self.now >= load.end_s:
            return
        gap = self._random.expovariate(load.per_second)
        self._at(self.clock.monotonic() + gap, lambda: self._arrive(load))
        outcome = self.outcome(load.tenant, load.priority)
        outcome.offered += 1
        try:
            place = self.admission.admit(_request(load))
        except Problem as refusal:
            _count(outcome, refusal)
            return
        place.charge_prompt_tokens(load.prompt)
        lengths = [load.tokens(self._random) for _ in range(load.choices)]
        self._waiting.append(_Open(load, place, lengths))
        self._at(place.deadline, lambda: None)

    def _begin_granted(self) -> None:
        now, still = self.clock.monotonic(), []
        for entry in self._waiting:
            outcome = self.outcome(entry.load.tenant, entry.load.priority)
            place = entry.place
            if place.refusal is not None:
                _count(outcome, place.refusal)
                place.__exit__(None, None, None)
                continue
            if not place.granted and now >= place.deadline:
                outcome.late += 1
                place.__exit__(None, None, None)
                continue
            if place.granted and not entry.begun:
                outcome.waits.append(place.started - place.since)
                outcome.cost += entry.load.prompt
            while entry.begun < place.granted:
                self._write(entry, outcome, entry.lengths[entry.begun])
                entry.begun += 1
            if entry.begun < len(entry.lengths):
                still.append(entry)
        self._waiting = still
        if any(entry.place.granted > entry.begun for entry in still):
            self._begin_granted()

    def _write(self, entry: _Open, outcome: Outcome, tokens: int) -> None:
        steps = tokens if self._streamed else 1
        size = tokens // steps

        def step(left: int) -> None:
            entry.place.charge_output_tokens(size)
            outcome.cost += 4 * size
            if left > 1:
                self._at(self.clock.monotonic() + size * SECONDS_A_TOKEN, lambda: step(left - 1))
                return
            entry.place.finish_choice()
            if entry.place.finished == len(entry.lengths):
                outcome.answered += 1
                entry.place.__exit__(None, None, None)

        self._at(self.clock.monotonic() + size * SECONDS_A_TOKEN, lambda: step(steps))


def _count(outcome: Outcome, refusal: Problem) -> None:
    if refusal.slug == "deadline-exceeded":
        outcome.late += 1
        return
    assert 1 <= refusal.extensions["retry_after_s"] <= 60
    outcome.refused[refusal.slug] = outcome.refused.get(refusal.slug, 0) + 1


def _request(load: Load) -> GenerateRequest:
    return GenerateRequest(
        request_id="r",
        caller=Caller(load.tenant, "k", frozenset(), weight=load.weight),
        model="m",
        sampling=Sampling(),
        prompt="",
        n=load.choices,
        timeout_s=load.timeout_s,
        priority=load.priority,
    )
