"""SQL of outcomes. Methods take the caller's connection first and never commit."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import and_, case, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.outcomes.model import (
    ENGAGEMENTS,
    IMPRESSION,
    POST,
    DailyOutcomes,
    Outcome,
    PublishedPostOutcome,
)
from cluster.runtime.clock import Clock
from cluster.storage.tables import library_posts, outcomes

PRUNED_AT_ONCE = 2_000
WRITTEN_AT_ONCE = 50  # rows of a statement: other requests run between two of them
_O, _P = outcomes.c, library_posts.c


class OutcomeRepository:
    """`pseudonym_of` makes a keyed hash of a tenant's user."""

    def __init__(self, clock: Clock, pseudonym_of: Callable[[str, str], str]) -> None:
        self._clock = clock
        self._pseudonym_of = pseudonym_of

    async def add(
        self, connection: AsyncConnection, tenant: str, given: Sequence[Outcome]
    ) -> set[str]:
        """Stores those whose ids are new to the tenant; returns their ids."""
        now = self._clock.wall()
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        new = dialect.insert(outcomes).on_conflict_do_nothing(index_elements=["tenant", "id"])
        ordered = sorted(given, key=lambda each: each.id)  # one order of locks
        stored = set[str]()
        for start in range(0, len(ordered), WRITTEN_AT_ONCE):
            part = ordered[start : start + WRITTEN_AT_ONCE]
            rows = [self._row(tenant, each, now) for each in part]
            stored.update((await connection.execute(new.returning(_O.id), rows)).scalars())
        return stored

    def _row(self, tenant: str, outcome: Outcome, now: float) -> dict[str, Any]:
        return {
            "tenant": tenant,
            "id": outcome.id,
            "name": outcome.name,
            "count": outcome.count,
            "value": outcome.value,
            "currency": outcome.currency,
            "subject_kind": outcome.subject_kind,
            "subject": outcome.subject,
            "user": self._pseudonym_of(tenant, outcome.user),
            "request_id": outcome.request_id,
            "at": outcome.at,
            "day": outcome.day,
            "received": now,
        }

    async def daily(
        self,
        connection: AsyncConnection,
        tenant: str,
        kind: str,
        subject: str,
        first_day: str,
        last_day: str,
    ) -> tuple[DailyOutcomes, ...]:
        """Days with any outcome, oldest first."""
        count, value = func.sum(_O.count).label("total"), func.sum(_O.value).label("worth")
        query = (
            select(_O.day, _O.name, _O.currency, count, value)
            .where(_O.tenant == tenant, _O.subject_kind == kind, _O.subject == subject)
            .where(_O.day >= first_day, _O.day <= last_day)
            .group_by(_O.day, _O.name, _O.currency)
        )
        counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        values: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        for row in await connection.execute(query):
            counts[row.day][row.name] += int(row.total)
            if row.worth:
                values[row.day][row.currency] += int(row.worth)
        return tuple(
            DailyOutcomes(day, dict(counts[day]), dict(values[day])) for day in sorted(counts)
        )

    async def of_published_posts(
        self, connection: AsyncConnection, tenant: str, limit: int
    ) -> tuple[PublishedPostOutcome, ...]:
        """Of the latest `limit` published posts with any outcome, oldest first."""
        seen = func.sum(case((_O.name == IMPRESSION, _O.count), else_=0))
        done = func.sum(case((_O.name.in_(ENGAGEMENTS), _O.count), else_=0))
        is_of_post = and_(_O.tenant == _P.tenant, _O.subject_kind == POST, _O.subject == _P.id)
        query = (
            select(_P.published, _P.platform, _P.body, seen, done)
            .join(outcomes, is_of_post)
            .where(_P.tenant == tenant, _P.published.is_not(None))
            .group_by(_P.number, _P.published, _P.platform, _P.body)
            .order_by(_P.published.desc(), _P.number.desc())
            .limit(limit)
        )
        rows = (await connection.execute(query)).all()
        return tuple(
            PublishedPostOutcome(published, platform, body, int(impressions), int(engagements))
            for published, platform, body, impressions, engagements in reversed(rows)
        )


async def prune_outcomes(
    begin: Callable[[], AbstractAsyncContextManager[AsyncConnection]], before: float
) -> int:
    """Deletes the outcomes of every tenant that were received before then (Unix seconds), each
    batch in a transaction of `begin`; returns how many."""
    total, key = 0, (_O.tenant, _O.id)
    while True:
        old = select(*key).where(_O.received < before).limit(PRUNED_AT_ONCE)
        chosen = tuple_(*key).in_(old.with_for_update(skip_locked=True))
        async with begin() as connection:
            gone = (await connection.execute(delete(outcomes).where(chosen))).rowcount
        if not gone:
            return total
        total += gone
