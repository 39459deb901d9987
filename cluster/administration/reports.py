"""Reads usage, audit records and events; removes old audit records."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import select, tuple_

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import AuditWriter
from cluster.audit import search
from cluster.audit.checkpoints import FILE
from cluster.audit.findings import VerificationReport
from cluster.audit.keys import AuditKeys
from cluster.audit.record import AuditRecord
from cluster.audit.search import Filters
from cluster.audit.verify import verify
from cluster.auth.row_macs import RowMacs
from cluster.auth.row_report import check_rows
from cluster.events.outbox import Event
from cluster.runtime.clock import Clock
from cluster.runtime.problems import InvalidRequest
from cluster.secrets.key_files import AUDIT
from cluster.storage.database import Database
from cluster.storage.pagination import Page, decode_cursor, encode_cursor
from cluster.storage.tables import events
from cluster.usage.report import UsageRow, usage_report

__all__ = ["AUDIT", "RecordReader", "UsageReports"]

MAX_DAYS = 400
MIN_AGE_S = 86_400  # minimum age of audit records that may be removed


@dataclass(frozen=True, slots=True)
class UsageReports:
    """Usage from `since` to `until` (UTC days, inclusive)."""

    since: date
    until: date
    rows: Sequence[UsageRow]


class RecordReader:
    """Reads records of a tenant; tenant None: of every tenant."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keys: AuditKeys,
        macs: RowMacs,
        checkpoints: Path,
        trail: AuditWriter,
    ) -> None:
        """`checkpoints` is the folder of the audit trail's checkpoint files."""
        self._database = database
        self._clock = clock
        self._keys = keys
        self._macs = macs
        self._checkpoints = checkpoints
        self._trail = trail

    async def usage(
        self, tenant: str | None, since: date | None, until: date | None, group_by: Collection[str]
    ) -> UsageReports:
        """Default: this month until today. Raises InvalidRequest for an invalid span or group."""
        today = datetime.fromtimestamp(self._clock.wall(), UTC).date()
        last = until or today
        first = since or last.replace(day=1)
        if not 0 <= (last - first).days < MAX_DAYS:
            raise InvalidRequest(
                f"from: must be before or on 'to', by less than {MAX_DAYS} days.",
                param="from",
                limit=MAX_DAYS,
            )
        async with self._database.read() as connection:
            days = (first.isoformat(), last.isoformat())
            rows = await usage_report(connection, tenant, *days, group_by)
        return UsageReports(first, last, rows)

    async def search(
        self, tenant: str | None, filters: Filters, limit: int, cursor: str | None
    ) -> search.AuditPage:
        """Audit records, newest first."""
        async with self._database.read() as connection:
            return await search.search(connection, tenant, filters, cursor=cursor, limit=limit)

    def export(self, tenant: str | None, filters: Filters) -> AsyncIterator[bytes]:
        """Every matching record as a line of JSON."""
        return search.export(self._database, tenant, filters)

    async def verify(self) -> VerificationReport:
        """Verifies the records of every tenant against chains and this node's checkpoints, and the
        rows that grant rights against their MACs."""
        async with self._database.read() as connection:
            files = [self._checkpoints / FILE]
            report = await verify(connection, self._keys, files, partial=True)
            await check_rows(connection, self._macs, report)
        return report

    async def prune(self, actor: Actor, before: float) -> int:
        """Removes every tenant's audit records before `before` (Unix seconds); returns the number.

        Chains are cut at this node's checkpoints. Raises InvalidRequest (less than a day ago),
        Conflict (invalid checkpoints), DatabaseUnavailable.
        """
        now = self._clock.wall()
        if before > now - MIN_AGE_S:
            raise InvalidRequest(
                f"before: must be at least a day old ({MIN_AGE_S} seconds).",
                param="before",
                limit=MIN_AGE_S,
            )
        record = AuditRecord(
            at=now,
            tenant=actor.caller.tenant,
            actor=actor.name,
            action="audit.prune",
            resource="audit:",
            request_id=actor.request_id,
            detail={"before": before},
        )
        return await self._trail.prune(before, record)

    async def events(self, tenant: str, limit: int, cursor: str | None) -> Page[Event]:
        """Events, newest first. Raises InvalidRequest for an invalid cursor."""
        query = select(events).where(events.c.tenant == tenant)
        order = (events.c.at, events.c.id)
        if cursor is not None:
            query = query.where(tuple_(*order) < tuple_(*decode_cursor(cursor)))
        query = query.order_by(*(column.desc() for column in order)).limit(limit + 1)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        page_events = tuple(Event(**row._mapping) for row in rows[:limit])
        return Page(
            page_events,
            encode_cursor(page_events[-1].at, page_events[-1].id) if len(rows) > limit else None,
        )
