"""Events of the data plane: told to observers in this process, written to the outbox in batches.

Flows in: `post`, from the event loop, in microseconds, never failing. Flows out: notices to
subscribers at once, and rows in the outbox (so webhooks) half a second later, from one background
task. What is met again and again, such as a limit, becomes one event a minute with a count. All of
it is bounded; what does not fit is counted in `lost`. A kill loses what was not yet written.
"""

import asyncio
import contextlib
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from cluster.events.kinds import EventKind, matches_any, validate_payload
from cluster.events.outbox import publish
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database

FLUSH_S = 0.5
QUIET_S = 60.0
MAX_HELD = 10_000  # events, and distinct repeated ones, each
BATCH = 500
COUNTED = frozenset({EventKind.LIMIT_HIT, EventKind.LIMIT_SHADOW_HIT})

log = logging.getLogger("mobula.events")


@dataclass(frozen=True, slots=True)
class EventNotice:
    """What observers in this process are told; `at` is Unix seconds."""

    tenant: str
    kind: str
    at: float
    data: Mapping[str, Any]


class Subscription:
    """Notices for one observer, as an async iterator; a slow observer loses the newest."""

    def __init__(self, patterns: Sequence[str], size: int) -> None:
        self.lost = 0
        self._patterns = list(patterns)
        self._notices: asyncio.Queue[EventNotice] = asyncio.Queue(size)

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> EventNotice:
        return await self._notices.get()

    def offer(self, notice: EventNotice) -> None:
        if not matches_any(self._patterns, notice.kind):
            return
        try:
            self._notices.put_nowait(notice)
        except asyncio.QueueFull:
            self.lost += 1


@dataclass(frozen=True, slots=True)
class _Draft:
    tenant: str
    kind: str
    data: Mapping[str, Any]
    once: str  # makes writing it again harmless, where a commit's answer was lost


@dataclass(slots=True)
class _Repeated:
    """Met `count` times since the last event; the next may be written at `due` (monotonic)."""

    draft: _Draft
    due: float
    count: int = field(default=0)


class EventBus:
    """One in each process. Use it from the loop's thread only."""

    def __init__(
        self, database: Database, clock: Clock, written: Callable[[], None] | None = None
    ) -> None:
        """`written` is called after each commit, such as Deliverer.wake."""
        self.lost = 0
        self._database = database
        self._clock = clock
        self._written = written or (lambda: None)
        self._subscriptions: set[Subscription] = set()
        self._drafts: deque[_Draft] = deque()
        self._repeated: dict[tuple[str, str, str], _Repeated] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, patterns: Sequence[str] = ("*",), size: int = 1_000) -> Subscription:
        """Be told of kinds (kinds.py: patterns); at most `size` notices wait."""
        subscription = Subscription(patterns, size)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def notify(self, tenant: str, kind: str, data: Mapping[str, Any]) -> None:
        """Notify observers only; for events whose own transaction wrote them."""
        notice = EventNotice(tenant, str(kind), self._clock.wall(), data)
        for subscription in self._subscriptions:
            subscription.offer(notice)

    def publish(
        self, tenant: str, kind: str, data: Mapping[str, Any], *, once: str | None = None
    ) -> None:
        """Notify observers, and write the event soon. `once` as for `publish`."""
        try:
            draft = _Draft(
                tenant, str(kind), validate_payload(kind, data), once or secrets.token_hex(8)
            )
        except (ValueError, TypeError):
            log.warning("an event of kind %r has a wrong shape", kind, exc_info=True)
            self.lost += 1
            return
        self.notify(tenant, kind, draft.data)
        if draft.kind in COUNTED:
            self._count(draft)
        else:
            self._hold(draft)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="event-bus")

    async def close(self) -> None:
        """Write what is held; what cannot be written now is lost and counted."""
        self._stopping.set()
        if self._task is not None:
            await self._task
        await self.flush(everything=True)
        self.lost += len(self._drafts)
        self._drafts.clear()

    async def flush(self, *, everything: bool = False) -> None:
        """Write what is due, or everything; keeps what the store does not take now."""
        self._collect(everything)
        while self._drafts:
            batch = [self._drafts.popleft() for _ in range(min(BATCH, len(self._drafts)))]
            try:
                await self._write(batch)
            except Problem:  # the store is away
                self._drafts.extendleft(reversed(batch))
                return
            self._written()

    def _hold(self, draft: _Draft) -> None:
        if len(self._drafts) >= MAX_HELD:
            self.lost += 1
        else:
            self._drafts.append(draft)

    def _count(self, draft: _Draft) -> None:
        """Events that differ in nothing but their count are one."""
        data = {name: value for name, value in draft.data.items() if name != "count"}
        key = (draft.tenant, draft.kind, json.dumps(data, sort_keys=True))
        met = self._repeated.get(key)
        if met is None:
            if len(self._repeated) >= MAX_HELD:
                self.lost += 1
                return
            met = self._repeated[key] = _Repeated(draft, self._clock.monotonic())
        met.count += draft.data["count"]

    def _collect(self, everything: bool) -> None:
        """Turn repeated events that are due into drafts, and forget those met no more."""
        now = self._clock.monotonic()
        for key, met in list(self._repeated.items()):
            if now < met.due and not everything:
                continue
            if met.count == 0:
                del self._repeated[key]
                continue
            draft = met.draft
            said = {**draft.data, "count": met.count}
            self._hold(_Draft(draft.tenant, draft.kind, said, secrets.token_hex(8)))
            met.count, met.due = 0, now + QUIET_S

    async def _write(self, batch: list[_Draft]) -> None:
        """In one transaction, or one by one where one of them is refused. Raises StoreDown."""
        try:
            await self._publish(batch)
        except SQLAlchemyError:
            for draft in batch:
                await self._write_alone(draft)

    async def _write_alone(self, draft: _Draft) -> None:
        try:
            await self._publish([draft])
        except SQLAlchemyError:
            log.warning("the store refuses an event of kind %s", draft.kind, exc_info=True)
            self.lost += 1

    async def _publish(self, drafts: list[_Draft]) -> None:
        async with self._database.begin() as connection:
            for draft in drafts:
                await publish(
                    connection, self._clock, draft.tenant, draft.kind, draft.data, once=draft.once
                )

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._stopping.wait()
            await self.flush()
