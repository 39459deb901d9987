"""One computation that is under way: a growing log of chunks, who waits for it, and its end.

In: chunks and the response, from the task that finds, follows or computes it. Out: wake-ups of the
waiters, without polling. It does not know that task.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from cluster.runtime.problems import ModelFailed, Problem
from deployments.cache.chunking import ChunkAggregator, PrefixMismatch, remaining_chunks
from deployments.cache.lookup import Lookup
from deployments.contracts.cache import Entry, Ttls
from deployments.contracts.generation import Chunk, Completion

Source: TypeAlias = Literal["", "l2", "l3", "peer", "model"]

_NO_EXPIRY = Ttls(1e9, 1e9, 1e9)


class InFlightComputation:
    """Ends once: with a Completion, or with an error. `ended` says so.

    `lookup` is the one that started it. `outline` is what is known of the entry before it is
    computed. `source` is where the response comes from, known before the first chunk. `entry` is
    the response as it is stored, if it is. `overtakes`: this process computes the same already, for
    less urgent lookups. `background`: it goes on without waiters. `waiters` maps each lookup that
    waits in this process to its deadline on the event loop's clock. `count_followers`, where it is
    set, counts the requests of other replicas that follow this computation.
    """

    def __init__(
        self,
        lookup: Lookup,
        now: float,
        *,
        overtakes: bool = False,
        background: bool = False,
        on_abandoned: Callable[["InFlightComputation"], object] | None = None,
    ) -> None:
        """`now` is Unix seconds. `on_abandoned` is called when the last follower in another replica
        has left and no request waits here."""
        request = lookup.request
        self.lookup = lookup
        self.outline = Entry(
            request.caller.tenant,
            request.model,
            lookup.as_of,
            now,
            0.0,
            _NO_EXPIRY,
            b"",
            lookup.tags,
        )
        self.overtakes = overtakes
        self.background = background
        self.waiters: dict[Lookup, float] = {}
        self.source: Source = ""
        self.ended = False
        self.completion: Completion | None = None
        self.entry: Entry | None = None
        self.error: Exception | None = None
        self.count_followers: Callable[[], Awaitable[int]] | None = None
        self._followers = 0
        self._on_abandoned = on_abandoned
        self._log: list[Chunk] = []
        self._log_complete = False
        self._read = False
        self._wake_ups: set[asyncio.Future[None]] = set()

    @property
    def log(self) -> list[Chunk]:
        """The chunks so far; of a response that came in one piece, made when first asked for."""
        if self.completion is not None and not self._log_complete:
            self._complete_log(self.completion)
        return self._log

    @property
    def is_abandoned(self) -> bool:
        """Whether no request waits for it, here or in another replica."""
        return not (self.waiters or self._followers or self.background or self.ended)

    def wanted_until(self) -> float | None:
        """The latest deadline of those who wait here, on the event loop's clock. None if no
        caller's deadline bounds the work: it runs in the background, or for other replicas."""
        if self.background or not self.waiters:
            return None
        return max(self.waiters.values())

    def set_followers(self, count: int) -> None:
        """Set how many requests of other replicas follow it now."""
        previous, self._followers = self._followers, count
        if previous and self.is_abandoned and self._on_abandoned is not None:
            self._on_abandoned(self)

    async def wait_for_chunks(self, seen: int) -> None:
        """Wait until there are more than `seen` chunks, or the end."""
        while not self.ended and len(self._log) <= seen:
            await self._wait()

    async def wait_done(self) -> None:
        """Wait for the end."""
        while not self.ended:
            await self._wait()

    def read_chunk(self, index: int) -> Chunk:
        """Chunk `index` of the log. From now on the log may only grow: a client has read it."""
        self._read = True
        return self.log[index]

    def result(self) -> Completion:
        """The response. Raises the error, a new copy for each waiter."""
        if self.completion is None:
            assert self.error is not None, "the result is read at the end"
            if isinstance(self.error, Problem):
                raise copy.copy(self.error)
            raise RuntimeError("a shared computation failed") from self.error
        return self.completion

    def start_attempt(self, source: Source) -> None:
        """Begin again from nothing. Raises ModelFailed if a client has read chunks that another
        attempt might continue differently."""
        if not self._read:
            self._log.clear()
        elif not self.lookup.deterministic:
            raise ModelFailed(self.lookup.request.model, "The response was interrupted.")
        self.source = source

    def record_chunks(self) -> "ChunkRecorder":
        """Record the chunks of the current attempt, the first after `start_attempt`."""
        return ChunkRecorder(self, live=not self._read)

    def append(self, chunk: Chunk) -> None:
        self._log.append(chunk)
        self._wake()

    def complete(self, completion: Completion, entry: Entry | None, source: Source) -> None:
        """End with a response. Raises ModelFailed if clients have read another beginning."""
        if self._log and self._log[-1].usage is not None:
            self._log_complete = True
        elif self._read:
            self._complete_log(completion)
        else:
            self._log.clear()
        self.completion, self.entry, self.source = completion, entry, source
        self.ended = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """End with an error. A problem is copied without its traceback, which keeps much alive."""
        self.error = copy.copy(error) if isinstance(error, Problem) else error
        self.ended = True
        self._wake()

    def _complete_log(self, completion: Completion) -> None:
        model = self.lookup.request.model
        try:
            self._log.extend(tuple(remaining_chunks(self._log, completion, model)))
        except PrefixMismatch:
            raise ModelFailed(model, "The response was interrupted.") from None
        self._log_complete = True

    async def _wait(self) -> None:
        wake_up = asyncio.get_running_loop().create_future()
        self._wake_ups.add(wake_up)
        try:
            await wake_up
        finally:
            self._wake_ups.discard(wake_up)

    def _wake(self) -> None:
        for wake_up in self._wake_ups:
            if not wake_up.done():
                wake_up.set_result(None)


class ChunkRecorder:
    """The chunks of one attempt. A live one appends each to the log as it comes; after a stream was
    interrupted, only the end of the next one is appended."""

    __slots__ = ("_aggregator", "_flight", "_live")

    def __init__(self, flight: InFlightComputation, *, live: bool) -> None:
        self._flight = flight
        self._aggregator = ChunkAggregator(flight.lookup.request.model)
        self._live = live

    def add(self, chunk: Chunk) -> None:
        self._aggregator.add(chunk)
        if self._live:
            self._flight.append(chunk)

    @property
    def complete(self) -> bool:
        return self._aggregator.complete

    def completion(self) -> Completion:
        """Raises ModelFailed if the stream was interrupted."""
        return self._aggregator.completion()
