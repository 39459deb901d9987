"""A request's places in the queue, for the task that runs it.

In: the queue's grants and refusals. Out: turns to await. The only part of admission that knows
asyncio.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from cluster.tenants.caller import Priority
from cluster.tenants.units import CostWeights
from deployments.model.queueing.backlog import QueuedRequest, TenantQueue
from deployments.model.queueing.fair_queue import FairQueue
from deployments.model.queueing.latency_stats import LatencyStats

_COST = CostWeights()


class QueueTicket(QueuedRequest):
    """Use it with `with`: at the end, however that comes, every place is free again.

    Each choice awaits its own `turn`, so that the choices of one request need not start together
    and no place is held back for them; `done` frees the place of a choice that has ended.
    """

    __slots__ = ("_claimed", "_left", "_queue", "_recent", "_streams", "_turns", "tokens")

    def __init__(
        self,
        queue: FairQueue,
        recent: LatencyStats,
        left: Callable[["QueueTicket"], None],
        tenant: TenantQueue,
        priority: Priority,
        places: int,
        since: float,
        timeout_s: float,
    ) -> None:
        super().__init__(tenant, priority, places, since, timeout_s)
        self._queue = queue
        self._recent = recent
        self._streams = False
        self.tokens = 0  # read and written so far
        self._left = left
        self._claimed = 0
        self._turns: list[asyncio.Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left(self)

    async def acquire_slot(self) -> None:
        """Wait until one more choice may run; at once if a place is free.

        Raises Overloaded, RateLimited, Draining or DeadlineExceeded where the queue gave it up.
        """
        self._claimed += 1
        mine = self._claimed
        while self.granted < mine:
            if self.refusal is not None:
                raise self.refusal
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._turns.append(turn)
            await turn

    def changed(self) -> None:
        turns, self._turns = self._turns, []
        for turn in turns:
            if not turn.done():
                turn.set_result(None)

    def streams(self) -> None:
        """The caller gets tokens as they come: note when the first of them does."""
        self._streams = True

    def charge_prompt_tokens(self, tokens: int) -> None:
        """The prompt has so many tokens."""
        self._hold(tokens)
        self._queue.charge(self, tokens * _COST.input_tokens)

    def charge_output_tokens(self, tokens: int) -> None:
        """A choice grew by so many tokens."""
        if self._streams:
            self._streams = False
            self._recent.first(self.since)
        self._hold(tokens)
        self._queue.charge(self, tokens * _COST.output_tokens)

    def done(self) -> None:
        """One choice has ended."""
        self._queue.finish(self)

    def _hold(self, tokens: int) -> None:
        self.tokens += tokens
        self._recent.tokens += tokens
