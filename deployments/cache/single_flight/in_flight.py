"""One answer on its way to all who wait for it: a growing log of chunks, then its end.

In: chunks and the answer, from whoever computes, finds or follows it; who waits, and until when.
Out: wake-ups, without polling. It does not know the task that works for it.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from cluster.runtime.problems import ModelFailed, Problem
from deployments.cache.chunking import ChunkAggregator, PrefixMismatch, remaining_chunks
from deployments.cache.lookup_request import LookupRequest
from deployments.contracts.cache import Entry
from deployments.contracts.generation import Chunk, Completion

Source: TypeAlias = Literal["", "l2", "l3", "peer", "model"]


class InFlightComputation:
    """Starts open, ends once: it lands with a Completion, or fails.

    `source` is where the answer comes from, known before the first chunk. `entry` is the form in
    which the answer is kept, if it is. `overtakes`: this process computes the same already, for
    others. `background`: it goes on without waiters. `count_followers`, where it is set, asks how
    many requests of other replicas wait for this flight.
    """

    def __init__(
        self,
        ask: LookupRequest,
        now: float,
        *,
        overtakes: bool = False,
        background: bool = False,
        on_abandoned: Callable[["InFlightComputation"], object] | None = None,
    ) -> None:
        """`now` is Unix seconds. `on_abandoned` is called when the last follower in another replica
        has left and nobody waits here."""
        self.ask = ask
        self.outline = ask.outline(now)
        self.overtakes = overtakes
        self.background = background
        self.source: Source = ""
        self.log: list[Chunk] = []
        self.completion: Completion | None = None
        self.entry: Entry | None = None
        self.error: Exception | None = None
        self.count_followers: Callable[[], Awaitable[int]] | None = None
        self._followers = 0
        self._deadlines: dict[object, float] = {}
        self._on_abandoned = on_abandoned
        self._told = False
        self._sleepers: set[asyncio.Future[None]] = set()

    @property
    def ended(self) -> bool:
        return self.completion is not None or self.error is not None

    @property
    def waiters(self) -> int:
        """How many wait in this process."""
        return len(self._deadlines)

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for it, here or in another replica."""
        return not (self.waiters or self._followers or self.background or self.ended)

    def join(self, waiter: object, deadline: float) -> None:
        """`waiter` waits from now on, until `deadline` on the event loop's clock at most."""
        self._deadlines[waiter] = deadline

    def leave(self, waiter: object) -> None:
        self._deadlines.pop(waiter, None)

    def wanted_until(self) -> float | None:
        """The latest deadline of those who wait here, on the event loop's clock. None where no
        caller's time bounds the work: it goes on in the background, or for other replicas."""
        if self.background or not self._deadlines:
            return None
        return max(self._deadlines.values())

    def set_followers(self, count: int) -> None:
        """So many requests of other replicas wait for it now."""
        had, self._followers = self._followers, count
        if had and self.is_abandoned and self._on_abandoned is not None:
            self._on_abandoned(self)

    def can_join(self, ask: LookupRequest) -> bool:
        """Whether one who asks for the same may wait here for the answer."""
        return (
            not (self.ended or ask.only_if_cached)
            and self.ask.urgency <= ask.urgency
            and (self.ask.anew or not ask.anew)
            and ask.usable(self.outline)
        )

    async def wait_for_chunks(self, seen: int) -> None:
        """Wait until there are more than `seen` chunks, or the end."""
        while len(self.log) <= seen and not self.ended:
            await self._wait()

    async def wait_done(self) -> None:
        """Wait for the end."""
        while not self.ended:
            await self._wait()

    def chunk(self, number: int) -> Chunk:
        """Chunk `number` of the log, which from now on is never told differently."""
        self._told = True
        return self.log[number]

    def answer(self) -> Completion:
        """The answer. Raises the flight's error, anew for each waiter."""
        if self.completion is None:
            assert self.error is not None, "an answer is asked for at the end"
            if isinstance(self.error, Problem):
                raise copy.copy(self.error)
            raise RuntimeError("what a flight worked at failed") from self.error
        return self.completion

    def attempt(self, source: Source) -> "ChunkRecorder":
        """A fresh try at the answer.

        Raises ModelFailed when a stream has begun that a fresh try might continue differently.
        """
        if not self._told:
            self.log.clear()
        elif not self.ask.deterministic:
            raise ModelFailed(self.ask.request.model, "The answer broke off.")
        self.source = source
        return ChunkRecorder(self, live=not self._told)

    def append(self, chunk: Chunk) -> None:
        self.log.append(chunk)
        self._wake()

    def complete(self, completion: Completion, entry: Entry | None, source: Source) -> None:
        """End with an answer. Raises ModelFailed if it is not what the stream has begun with."""
        whole = bool(self.log) and self.log[-1].usage is not None
        if not (whole or self._told):
            self.log.clear()
        try:
            rest = (
                ()
                if whole
                else tuple(remaining_chunks(self.log, completion, self.ask.request.model))
            )
        except PrefixMismatch:
            raise ModelFailed(self.ask.request.model, "The answer broke off.") from None
        if entry is not None and self.ask.keep is not None:
            self.ask.keep(entry)
        self.log.extend(rest)
        self.completion, self.entry, self.source = completion, entry, source
        self._wake()

    def fail(self, error: Exception) -> None:
        """End with an error. A problem is copied without its traceback, which holds much alive."""
        self.error = copy.copy(error) if isinstance(error, Problem) else error
        self._wake()

    async def _wait(self) -> None:
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            self._sleepers.discard(sleeper)

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)


class ChunkRecorder:
    """One try at an answer, chunk by chunk.

    A live one is told as it comes; after a stream broke off, only the end of the next one is.
    """

    __slots__ = ("_flight", "_gathering", "_live")

    def __init__(self, flight: InFlightComputation, *, live: bool) -> None:
        self._flight = flight
        self._gathering = ChunkAggregator(flight.ask.request.model)
        self._live = live

    def add(self, chunk: Chunk) -> None:
        self._gathering.add(chunk)
        if self._live:
            self._flight.append(chunk)

    @property
    def complete(self) -> bool:
        return self._gathering.complete

    def completion(self) -> Completion:
        """Raises ModelFailed when the stream broke off."""
        return self._gathering.completion()
