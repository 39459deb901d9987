"""Who waits for which sequence, and the counts.

In: what an engine delivers. Out: mailboxes and EngineStats. Everything here lives on one event loop
and takes no lock. A *slot* is held from `open` until the engine has said that the sequence ended; a
*mailbox* until its consumer has left.
"""

import asyncio
import itertools
from collections.abc import Callable

from cluster.problems import Problem
from deployments.contracts.engine import EngineStats, Tokens


class Mailbox:
    """What one consumer has not read yet; `get` gives all of it, merged into one `Tokens`.

    After the first batch, a reader is woken at most every `interval_s` seconds, or by the end.
    """

    __slots__ = ("_error", "_interval", "_next_at", "_ready", "_timer", "_waiter")

    def __init__(self, interval_s: float = 0.0) -> None:
        self._ready: list[Tokens] = []
        self._error: Problem | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._interval = interval_s
        self._next_at = float("inf") if interval_s == float("inf") else 0.0

    def put(self, tokens: Tokens) -> None:
        self._ready.append(tokens)
        self._wake_if_due()

    def fail(self, problem: Problem) -> None:
        self._error = problem
        self._wake_if_due()

    async def get(self) -> Tokens:
        """Everything that is ready; waits for the first. Raises the Problem given to `fail`."""
        loop = asyncio.get_running_loop()
        while not self._is_due(loop.time()):
            self._waiter = loop.create_future()
            self._arm(loop)
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._disarm()
        if self._error is not None:
            raise self._error
        self._next_at = loop.time() + self._interval
        batch, self._ready = self._ready, []
        return batch[0] if len(batch) == 1 else _merged(batch)

    def _is_due(self, now: float) -> bool:
        if self._error is not None:
            return True
        if not self._ready:
            return False
        return self._ready[-1].finish_reason is not None or now >= self._next_at

    def _wake_if_due(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        loop = waiter.get_loop()
        if self._is_due(loop.time()):
            waiter.set_result(None)
        else:
            self._arm(loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and self._ready and self._next_at != float("inf"):
            self._timer = loop.call_at(self._next_at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Ledger:
    """The open sequences of one engine, by key, and its counters since the start."""

    def __init__(self) -> None:
        self._keys = itertools.count(1)
        self._mailboxes: dict[int, Mailbox] = {}
        self._slots: set[int] = set()
        self._submitted = self._finished = self._cancelled = self._failed = self._tokens = 0

    def open(self, interval_s: float = 0.0) -> tuple[int, Mailbox]:
        """Count one sequence in; gives its key and the mailbox that its consumer reads."""
        key = next(self._keys)
        mailbox = self._mailboxes[key] = Mailbox(interval_s)
        self._slots.add(key)
        self._submitted += 1
        return key, mailbox

    def deliver(self, key: int, tokens: Tokens) -> None:
        """Hand tokens to the consumer; the last ones free the slot."""
        mailbox = self._mailboxes.get(key)
        if mailbox is not None and key in self._slots:
            self._tokens += len(tokens.ids)
            if tokens.finish_reason is not None:
                self._slots.discard(key)
                self._finished += 1
            mailbox.put(tokens)
        elif tokens.finish_reason is not None:
            self.freed(key)

    def fail(self, key: int, problem: Problem) -> None:
        """End one sequence with a Problem."""
        if key not in self._slots:
            return
        self._slots.discard(key)
        mailbox = self._mailboxes.get(key)
        if mailbox is None:
            self._cancelled += 1
            return
        self._failed += 1
        mailbox.fail(problem)

    def fail_all(self, problem: Callable[[], Problem]) -> None:
        """End every open sequence, each with its own Problem."""
        for key in list(self._slots):
            self.fail(key, problem())

    def leave(self, key: int) -> bool:
        """The consumer is gone. True when the engine still holds a slot that it must now free."""
        self._mailboxes.pop(key, None)
        return key in self._slots

    def freed(self, key: int) -> None:
        """The engine has let go of a sequence that nobody waits for."""
        if key in self._slots:
            self._slots.discard(key)
            self._cancelled += 1

    @property
    def slots(self) -> int:
        """Sequences that the engine still holds, running or waiting."""
        return len(self._slots)

    def stats(self, max_running: int, steps: int) -> EngineStats:
        """The counters, given how many sequences the engine runs at once."""
        running = min(len(self._slots), max_running)
        return EngineStats(
            running=running,
            waiting=len(self._slots) - running,
            submitted=self._submitted,
            finished=self._finished,
            cancelled=self._cancelled,
            failed=self._failed,
            tokens_out=self._tokens,
            handlers=len(self._mailboxes),
            steps=steps,
        )


def _merged(batch: list[Tokens]) -> Tokens:
    return Tokens(
        ids=tuple(itertools.chain.from_iterable(part.ids for part in batch)),
        finish_reason=batch[-1].finish_reason,
        logprobs=tuple(itertools.chain.from_iterable(part.logprobs for part in batch)),
        top=tuple(itertools.chain.from_iterable(part.top for part in batch)),
    )
