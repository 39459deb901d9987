"""Single flight in one process: lookups for a response that is being computed wait for that.

In: Lookups. Out: Completions and streams of chunks. The work of a computation belongs to no caller:
it runs in a task and a context of its own (cluster/runtime/background.py says why), and each waiter
has its own deadline. When the last one has left, here and in the replicas that follow, the work is
cancelled. What the work does is not known here.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

from cluster.runtime.background import create_detached_task, is_cancelled_here
from cluster.runtime.clock import Clock
from cluster.runtime.problems import (
    ClientGone,
    DeadlineExceeded,
    Draining,
    Forbidden,
    ModelFailed,
    Problem,
    is_of_callers_limits,
)
from deployments.cache.lookup import EntryRules, Lookup
from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.contracts.generation import Chunk, Completion

logger = logging.getLogger("mobula.cache")

Work = Callable[[InFlightComputation], Awaitable[None]]

# May concern one caller only; so may what the caller's limits refuse.
_STARTERS_OWN = (DeadlineExceeded, Forbidden, ClientGone)
_TRIES = 3
_CANCELLING_S = 1.0


class SingleFlight:
    """The computations ("flights") of this process. `work` completes or fails each one."""

    def __init__(self, work: Work, rules: EntryRules, clock: Clock) -> None:
        self._work = work
        self._rules = rules
        self._clock = clock
        self._open: dict[bytes, InFlightComputation] = {}
        self._tasks: dict[asyncio.Task[None], InFlightComputation] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._counts = dict.fromkeys(("started", "joined", "cancelled", "failed"), 0)
        self._closed = False

    async def result(self, lookup: Lookup) -> Completion:
        """The response. Raises the computation's error, and DeadlineExceeded."""
        deadline = asyncio.get_running_loop().time() + lookup.request.timeout_s
        tries = _TRIES
        while True:
            tries -= 1
            flight = self._join_or_start(lookup, deadline)
            try:
                async with asyncio.timeout_at(deadline):
                    await flight.wait_done()
            except TimeoutError:
                raise _deadline_exceeded(flight, lookup) from None
            finally:
                flight.waiters.pop(lookup, None)
                if not flight.ended:
                    await self._end_if_abandoned(flight)
            if not (tries and lookup.joined and self._try_again(flight, lookup)):
                return flight.result()

    async def chunks(self, lookup: Lookup) -> AsyncGenerator[Chunk, None]:
        """The response's chunks from the first on. Raises as `result`; close it to leave early."""
        deadline = asyncio.get_running_loop().time() + lookup.request.timeout_s
        tries, ended = _TRIES, False
        while not ended:
            tries -= 1
            flight = self._join_or_start(lookup, deadline)
            try:
                await _wait_for_chunks(flight, 0, lookup, deadline)
                if tries and lookup.joined and self._try_again(flight, lookup):
                    continue
                ended, seen = True, 0
                while seen < len(flight.log):
                    seen += 1
                    yield flight.read_chunk(seen - 1)
                    await _wait_for_chunks(flight, seen, lookup, deadline)
                flight.result()
            finally:
                flight.waiters.pop(lookup, None)
                if not flight.ended:
                    await self._end_if_abandoned(flight)

    def get_open(self, key: bytes) -> InFlightComputation | None:
        """The open computation that later lookups of `key` join."""
        flight = self._open.get(key)
        return None if flight is None or flight.ended else flight

    def refresh(self, lookup: Lookup) -> bool:
        """Start a computation without waiters; False, and nothing is started, if one for the same
        key is open."""
        if self._closed or self.get_open(lookup.key) is not None:
            return False
        self._start(lookup, background=True)
        return True

    def figures(self) -> dict[str, int]:
        """Counts since the start, and the computations `open` now, including those that are still
        being stored."""
        return {**self._counts, "open": len(self._tasks)}

    async def close(self) -> None:
        """End everything: waiters get Draining; what was answered already is still stored."""
        self._closed = True
        for ended in (False, True):
            for task, flight in self._tasks.items():
                if flight.ended is ended:
                    task.cancel()
            if self._tasks:
                await asyncio.wait(tuple(self._tasks), timeout=_CANCELLING_S)

    def _join_or_start(self, lookup: Lookup, deadline: float) -> InFlightComputation:
        """The computation to wait for; `lookup.joined` says whether another lookup started it."""
        flight = self._open.get(lookup.key)
        lookup.joined = flight is not None and self._can_join(flight, lookup)
        if flight is not None and lookup.joined:
            self._counts["joined"] += 1
        else:
            flight = self._start(lookup)
        lookup.flight = flight
        flight.waiters[lookup] = deadline
        return flight

    def _can_join(self, flight: InFlightComputation, lookup: Lookup) -> bool:
        return (
            not (flight.ended or lookup.only_if_cached)
            and flight.lookup.urgency <= lookup.urgency
            and (flight.lookup.recompute or not lookup.recompute)
            and self._rules.servable_state(lookup, flight.outline) is not None
        )

    def _try_again(self, flight: InFlightComputation, lookup: Lookup) -> bool:
        """Whether a joined computation ended in a way that concerns only its starter: the entry is
        too old for this lookup, or the error was the starter's own."""
        if flight.entry is not None:
            return self._rules.servable_state(lookup, flight.entry) is None
        error = flight.error
        if isinstance(error, Problem) and is_of_callers_limits(error):
            return True
        return isinstance(error, _STARTERS_OWN)

    async def _end_if_abandoned(self, flight: InFlightComputation) -> None:
        """After the last waiter has left, the work ends, unless other replicas follow it."""
        if not flight.is_abandoned:
            return
        ending = create_detached_task(self._end(flight))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.wait((ending,), timeout=_CANCELLING_S)

    async def _end(self, flight: InFlightComputation) -> None:
        """Cancel the work if it is still abandoned after the followers were counted once more."""
        if flight.count_followers is not None:
            await flight.count_followers()
        if flight.is_abandoned:
            tasks = self._cancel(flight)
            if tasks:
                await asyncio.wait(tasks, timeout=_CANCELLING_S)

    def _cancel(self, flight: InFlightComputation) -> list[asyncio.Task[None]]:
        """No lookup joins it from now on."""
        self._forget(flight)
        tasks = [task for task, other in self._tasks.items() if other is flight]
        for task in tasks:
            task.cancel()
        return tasks

    def _start(self, lookup: Lookup, *, background: bool = False) -> InFlightComputation:
        if self._closed:
            raise Draining("This replica is shutting down.")
        current = self._open.get(lookup.key)
        flight = InFlightComputation(
            lookup,
            self._clock.wall(),
            overtakes=current is not None and not current.ended,
            background=background,
            on_abandoned=self._cancel,
        )
        if not lookup.only_if_cached:
            self._open[lookup.key] = flight
        task = create_detached_task(self._run(flight))
        self._tasks[task] = flight
        task.add_done_callback(self._done)
        self._counts["started"] += 1
        return flight

    async def _run(self, flight: InFlightComputation) -> None:
        try:
            await self._work(flight)
            if not flight.ended:
                raise RuntimeError("the work of a computation ended without a response")
        except asyncio.CancelledError:
            if is_cancelled_here():
                raise
            model = flight.lookup.request.model
            flight.fail(ModelFailed(model, "The computation was interrupted."))
        except Exception as error:
            if flight.ended:
                logger.exception("a response was served, but not stored")
                return
            self._counts["failed"] += 1
            if flight.background:
                logger.debug("refreshing a cached response failed", exc_info=error)
            flight.fail(error)

    def _done(self, task: asyncio.Task[None]) -> None:
        flight = self._tasks.pop(task)
        self._forget(flight)
        if task.cancelled():
            self._counts["cancelled"] += 1
        if not flight.ended:
            flight.fail(Draining("This replica is shutting down."))  # the only cause with waiters

    def _forget(self, flight: InFlightComputation) -> None:
        key = flight.lookup.key
        if self._open.get(key) is flight:
            del self._open[key]


async def _wait_for_chunks(
    flight: InFlightComputation, seen: int, lookup: Lookup, deadline: float
) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await flight.wait_for_chunks(seen)
    except TimeoutError:
        raise _deadline_exceeded(flight, lookup) from None


def _deadline_exceeded(flight: InFlightComputation, lookup: Lookup) -> DeadlineExceeded:
    stage = "model" if flight.source == "model" else "cache"
    return DeadlineExceeded(stage, round(lookup.request.timeout_s, 3))
