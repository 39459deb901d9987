"""Single flight in one process: who asks for an answer that is on its way waits for that one.

In: Asks. Out: Completions and streams of chunks. The work of a flight belongs to no caller: it runs
in a task and a context of its own (cluster/runtime/background.py says why), and each waiter keeps
its own
deadline. When the last one has left, here and in the replicas that follow, the work is cancelled.
What it does is not known here.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from cluster.runtime.background import create_detached_task, is_cancelled_here
from cluster.runtime.clock import Clock
from cluster.runtime.problems import (
    ClientGone,
    DeadlineExceeded,
    Draining,
    Forbidden,
    ModelFailed,
    RateLimited,
)
from deployments.cache.lookup_request import LookupRequest
from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.contracts.generation import Chunk, Completion

logger = logging.getLogger("mobula.cache")

Work = Callable[[InFlightComputation], Awaitable[None]]

_OTHERS = (DeadlineExceeded, RateLimited, Forbidden, ClientGone)  # may concern the starter only
_TRIES = 3
_CANCELLING_S = 1.0


class SingleFlight:
    """The flights of this process. `work` lands or fails each one."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock
        self._flying: dict[bytes, InFlightComputation] = {}
        self._tasks: dict[asyncio.Task[None], InFlightComputation] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._counts = dict.fromkeys(("started", "joined", "cancelled", "failed"), 0)
        self._closed = False

    def waiter(self, ask: LookupRequest) -> "FlightWaiter":
        """One caller, who has not begun to wait."""
        return FlightWaiter(self, ask)

    def get_open(self, key: bytes) -> InFlightComputation | None:
        """The open flight that later callers for `key` join."""
        flight = self._flying.get(key)
        return None if flight is None or flight.ended else flight

    def refresh(self, ask: LookupRequest) -> bool:
        """Start a flight that nobody waits for; False, and nothing is started, if one for the same
        key is open."""
        if self._closed or self.get_open(ask.key) is not None:
            return False
        self._start(ask, background=True)
        return True

    def figures(self) -> dict[str, int]:
        """Counts since the start, and the flights `open` now, those that still save included."""
        return {**self._counts, "open": len(self._tasks)}

    async def close(self) -> None:
        """End everything; those who wait get Draining, and what was answered is still saved."""
        self._closed = True
        for ended in (False, True):
            for task, flight in self._tasks.items():
                if flight.ended is ended:
                    task.cancel()
            if self._tasks:
                await asyncio.wait(tuple(self._tasks), timeout=_CANCELLING_S)

    def join_or_start(self, ask: LookupRequest) -> tuple[InFlightComputation, bool]:
        """The flight to wait for, and whether others started it."""
        flight = self._flying.get(ask.key)
        if flight is not None and flight.can_join(ask):
            self._counts["joined"] += 1
            return flight, True
        return self._start(ask), False

    async def release(self, flight: InFlightComputation, waiter: object) -> None:
        """One waiter less; with the last one the work ends, unless other replicas follow it."""
        flight.leave(waiter)
        if not flight.is_abandoned:
            return
        ending = create_detached_task(self._end(flight))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.wait((ending,), timeout=_CANCELLING_S)

    async def _end(self, flight: InFlightComputation) -> None:
        """Cancel the work if nobody wants it, by the latest count of those who follow."""
        if flight.count_followers is not None:
            await flight.count_followers()
        if flight.is_abandoned:
            tasks = self._cancel(flight)
            if tasks:
                await asyncio.wait(tasks, timeout=_CANCELLING_S)

    def _cancel(self, flight: InFlightComputation) -> list[asyncio.Task[None]]:
        """Nobody can join it from now on."""
        self._forget(flight)
        tasks = [task for task, other in self._tasks.items() if other is flight]
        for task in tasks:
            task.cancel()
        return tasks

    def _start(self, ask: LookupRequest, *, background: bool = False) -> InFlightComputation:
        if self._closed:
            raise Draining("This replica is shutting down.")
        flight = InFlightComputation(
            ask,
            self._clock.wall(),
            overtakes=self.get_open(ask.key) is not None,
            background=background,
            on_abandoned=self._cancel,
        )
        if not ask.only_if_cached:
            self._flying[ask.key] = flight
        task = create_detached_task(self._run(flight))
        self._tasks[task] = flight
        task.add_done_callback(self._done)
        self._counts["started"] += 1
        return flight

    async def _run(self, flight: InFlightComputation) -> None:
        try:
            await self._work(flight)
            if not flight.ended:
                raise RuntimeError("the work of a flight ended without an answer")
        except asyncio.CancelledError:
            if is_cancelled_here():
                raise
            flight.fail(ModelFailed(flight.ask.request.model, "The computation was interrupted."))
        except Exception as error:
            if flight.ended:
                logger.exception("an answer was given, but not saved")
                return
            self._counts["failed"] += 1
            if flight.background:
                logger.debug("refreshing an answer failed", exc_info=error)
            flight.fail(error)

    def _done(self, task: asyncio.Task[None]) -> None:
        flight = self._tasks.pop(task)
        self._forget(flight)
        if task.cancelled():
            self._counts["cancelled"] += 1
        if not flight.ended:
            flight.fail(Draining("This replica is shutting down."))  # nobody waits for others

    def _forget(self, flight: InFlightComputation) -> None:
        if self._flying.get(flight.ask.key) is flight:
            del self._flying[flight.ask.key]


class FlightWaiter:
    """One caller's wait for one answer; use it once.

    `flight` is the last one it waited for, which tells how the answer was come by; `collapsed`:
    another caller started that. When a flight fails in a way that may concern only its starter, or
    gives an answer too old for this caller, the waiter takes another one while it has time.
    """

    def __init__(self, flights: SingleFlight, ask: LookupRequest) -> None:
        self._flights = flights
        self._ask = ask
        self._tries = _TRIES
        self._at = asyncio.get_running_loop().time() + ask.request.timeout_s
        self.flight: InFlightComputation | None = None
        self.collapsed = False

    async def result(self) -> Completion:
        """The answer. Raises what the flight raises, and DeadlineExceeded."""
        while True:
            async with self._aboard() as flight:
                async with self._in_time(flight):
                    await flight.wait_done()
                if not self._another(flight):
                    return flight.answer()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The answer's chunks from the first on. Raises like `whole`; close it to leave early."""
        seen = 0
        while not seen:
            async with self._aboard() as flight:
                async with self._in_time(flight):
                    await flight.wait_for_chunks(seen)
                if self._another(flight):
                    continue
                while seen < len(flight.log):
                    seen += 1
                    yield flight.chunk(seen - 1)
                    async with self._in_time(flight):
                        await flight.wait_for_chunks(seen)
                flight.answer()

    @asynccontextmanager
    async def _aboard(self) -> AsyncIterator[InFlightComputation]:
        self._tries -= 1
        flight, self.collapsed = self._flights.join_or_start(self._ask)
        self.flight = flight
        flight.join(self, self._at)
        try:
            yield flight
        finally:
            await self._flights.release(flight, self)

    @asynccontextmanager
    async def _in_time(self, flight: InFlightComputation) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._at):
                yield
        except TimeoutError:
            stage = "model" if flight.source == "model" else "cache"
            raise DeadlineExceeded(stage, round(self._ask.request.timeout_s, 3)) from None

    def _another(self, flight: InFlightComputation) -> bool:
        """Whether to try once more, when nothing was told yet."""
        if not (self.collapsed and self._tries):
            return False
        if flight.entry is not None:
            return not self._ask.usable(flight.entry)
        return isinstance(flight.error, _OTHERS)
