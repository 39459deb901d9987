"""Event bus of the data plane: notifies subscribers in this process, writes the outbox in batches.

In: `publish`, on the event loop, in microseconds, without exceptions. Out: notices to subscribers
at once, and rows in the outbox (for webhooks) half a second later, from a background task. Repeated
events, such as limit hits, become one event a minute with a count. Everything is bounded; dropped
events are counted in `lost`. A kill loses events that were not written yet.
"""

import asyncio
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
from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database

FLUSH_S = 0.5
REPEAT_INTERVAL_S = 60.0
MAX_PENDING = 10_000  # pending events, and distinct repeated ones
BATCH = 500
COUNTED = frozenset(
    {
        EventKind.LIMIT_HIT,
        EventKind.LIMIT_SHADOW_HIT,
        EventKind.GENERATION_SUCCEEDED,
        EventKind.GENERATION_REFUSED,
        EventKind.GENERATION_FAILED,
        EventKind.GENERATION_CACHED,
    }
)

log = logging.getLogger("mobula.events")


@dataclass(frozen=True, slots=True)
class EventNotice:
    """An event as subscribers in this process receive it; `at` is Unix seconds."""

    tenant: str
    kind: str
    at: float
    data: Mapping[str, Any]


class Subscription:
    """Notices for one subscriber, as an async iterator; a slow subscriber loses the newest."""

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
    once: str  # makes a retry idempotent after an unknown commit


@dataclass(slots=True)
class _Repeated:
    """`count` occurrences since the last event; the next may be written at `due` (monotonic)."""

    draft: _Draft
    due: float
    count: int = field(default=0)


class EventBus:
    """The event bus of a process. Use it on the event loop's thread only."""

    def __init__(
        self, database: Database, clock: Clock, written: Callable[[], None] | None = None
    ) -> None:
        """`written` is called after each commit, such as WebhookDeliveryWorker.wake."""
        self.lost = 0
        self._database = database
        self._clock = clock
        self._written = written or (lambda: None)
        self._subscriptions: set[Subscription] = set()
        self._drafts: deque[_Draft] = deque()
        self._repeated: dict[tuple[str, str, str], _Repeated] = {}
        self._flushing = PeriodicTask(self.flush, FLUSH_S, "event bus")

    def subscribe(self, patterns: Sequence[str] = ("*",), size: int = 1_000) -> Subscription:
        """Subscribes to kinds (kinds.py: patterns); at most `size` notices are queued."""
        subscription = Subscription(patterns, size)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def notify(self, tenant: str, kind: str, data: Mapping[str, Any]) -> None:
        """Notifies subscribers only, for events that another transaction writes."""
        notice = EventNotice(tenant, str(kind), self._clock.wall(), data)
        for subscription in self._subscriptions:
            subscription.offer(notice)

    def publish(
        self, tenant: str, kind: str, data: Mapping[str, Any], *, once: str | None = None
    ) -> None:
        """Notifies subscribers and writes the event soon. `once`: see outbox.publish."""
        try:
            draft = _Draft(
                tenant, str(kind), validate_payload(kind, data), once or secrets.token_hex(8)
            )
        except (ValueError, TypeError):
            log.warning("an event of kind %r has an invalid payload", kind, exc_info=True)
            self.lost += 1
            return
        self.notify(tenant, kind, draft.data)
        if draft.kind in COUNTED and not draft.data.get("request_id"):
            self._count(draft)
        else:
            self._enqueue(draft)

    async def start(self) -> None:
        self._flushing.start()

    async def close(self) -> None:
        """Writes pending events; those that cannot be written are counted as lost."""
        await self._flushing.close(timeout_s=None)
        await self.flush(everything=True)
        self.lost += len(self._drafts)
        self._drafts.clear()

    async def flush(self, *, everything: bool = False) -> None:
        """Writes due events, or all; keeps them while the database is unavailable."""
        self._collect(everything)
        while self._drafts:
            batch = [self._drafts.popleft() for _ in range(min(BATCH, len(self._drafts)))]
            try:
                await self._write(batch)
            except Problem:  # the database is unavailable
                self._drafts.extendleft(reversed(batch))
                return
            self._written()

    def _enqueue(self, draft: _Draft) -> None:
        if len(self._drafts) >= MAX_PENDING:
            self.lost += 1
        else:
            self._drafts.append(draft)

    def _count(self, draft: _Draft) -> None:
        """Aggregates events that differ only in their count."""
        data = {name: value for name, value in draft.data.items() if name != "count"}
        key = (draft.tenant, draft.kind, json.dumps(data, sort_keys=True))
        repeated = self._repeated.get(key)
        if repeated is None:
            if len(self._repeated) >= MAX_PENDING:
                self.lost += 1
                return
            repeated = self._repeated[key] = _Repeated(draft, self._clock.monotonic())
        repeated.count += draft.data["count"]

    def _collect(self, everything: bool) -> None:
        """Turns due repeated events into drafts, and drops those without new occurrences."""
        now = self._clock.monotonic()
        for key, repeated in list(self._repeated.items()):
            if now < repeated.due and not everything:
                continue
            if repeated.count == 0:
                del self._repeated[key]
                continue
            draft = repeated.draft
            data = {**draft.data, "count": repeated.count}
            self._enqueue(_Draft(draft.tenant, draft.kind, data, secrets.token_hex(8)))
            repeated.count, repeated.due = 0, now + REPEAT_INTERVAL_S

    async def _write(self, batch: list[_Draft]) -> None:
        """Writes a batch; one by one if the database refuses it. Raises DatabaseUnavailable."""
        try:
            await self._publish(batch)
        except SQLAlchemyError:
            for draft in batch:
                await self._write_alone(draft)

    async def _write_alone(self, draft: _Draft) -> None:
        try:
            await self._publish([draft])
        except SQLAlchemyError:
            log.warning("the database refuses an event of kind %s", draft.kind, exc_info=True)
            self.lost += 1

    async def _publish(self, drafts: list[_Draft]) -> None:
        async with self._database.begin() as connection:
            for draft in drafts:
                await publish(
                    connection,
                    self._clock,
                    draft.tenant,
                    draft.kind,
                    draft.data,
                    once=draft.once,
                    trace="",
                )
