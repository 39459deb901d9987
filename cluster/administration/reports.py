"""Reads usage, audit records and events; removes old audit records."""

import json
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
from cluster.runtime.base64url import decode, encode
from cluster.runtime.clock import Clock
from cluster.runtime.problems import InvalidRequest
from cluster.secrets.key_files import AUDIT
from cluster.storage.database import Database
from cluster.storage.pagination import Page, decode_cursor, encode_cursor
from cluster.storage.tables import events
from cluster.tenants.repository import PlanRepository, TenantRepository
from cluster.usage.pseudonyms import Pseudonyms, is_pseudonym
from cluster.usage.report import UsageFilter, UsageRow, usage_report

__all__ = ["AUDIT", "RecordReader", "UsageReports"]

MAX_DAYS = 400
MAX_ROWS = 10_000  # of a usage report's page
MIN_AGE_S = 86_400  # minimum age of audit records that may be removed


@dataclass(frozen=True, slots=True)
class UsageReports:
    """Usage from `since` to `until` (UTC days, inclusive). `currency` is that of the tenant's plan;
    None: of several tenants. `next` is the cursor of the next page; None: this is the last.
    """

    since: date
    until: date
    rows: Sequence[UsageRow]
    currency: str | None
    next: str | None


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """What of a tenant's usage to report. `end_user` is the tenant's own name of a user, or the
    pseudonym in a report. `since` None: the beginning of the month; `until` None: today.
    """

    group_by: Collection[str] = ()
    since: date | None = None
    until: date | None = None
    key: str | None = None
    model: str | None = None
    team: str | None = None
    end_user: str | None = None
    tag: str | None = None
    provider: str | None = None
    limit: int = MAX_ROWS
    cursor: str | None = None


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
        pseudonyms: Pseudonyms,
    ) -> None:
        """`checkpoints` is the folder of the audit trail's checkpoint files; `pseudonyms` are those
        of end users in usage.
        """
        self._database = database
        self._clock = clock
        self._keys = keys
        self._macs = macs
        self._checkpoints = checkpoints
        self._trail = trail
        self._pseudonyms = pseudonyms
        self._tenants, self._plans = TenantRepository(clock), PlanRepository(clock)

    async def usage(self, tenant: str | None, question: UsageQuestion) -> UsageReports:
        """Raises InvalidRequest for an invalid span, and for groups and filters that are not known
        together.
        """
        today = datetime.fromtimestamp(self._clock.wall(), UTC).date()
        last = question.until or today
        first = question.since or last.replace(day=1)
        if not 0 <= (last - first).days < MAX_DAYS:
            raise InvalidRequest(
                f"from: must be before or on 'to', by less than {MAX_DAYS} days.",
                param="from",
                limit=MAX_DAYS,
            )
        after = None if question.cursor is None else _read_cursor(question.cursor)
        days, groups = (first.isoformat(), last.isoformat()), question.group_by
        only, limit, currency = self._filter(tenant, question), question.limit, None
        async with self._database.read() as connection:
            rows = await usage_report(connection, tenant, *days, groups, only, limit + 1, after)
            if tenant is not None:
                plan = (await self._tenants.get(connection, tenant)).plan
                currency = (await self._plans.get(connection, plan)).plan.currency
        following = None
        if len(rows) > limit:
            following = encode(json.dumps([*rows[limit - 1].group.values()]).encode())
        return UsageReports(first, last, rows[:limit], currency, following)

    def _filter(self, tenant: str | None, question: UsageQuestion) -> UsageFilter:
        user, users = question.end_user, None
        if user is not None:
            if tenant is None:
                raise InvalidRequest("end_user: is a user of one tenant; name it.", param="tenant")
            users = (self._pseudonyms.of(tenant, user), *((user,) if is_pseudonym(user) else ()))
        return UsageFilter(
            key=question.key,
            model=question.model,
            team=question.team,
            end_user=users,
            tag=question.tag,
            provider=question.provider,
        )

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


def _read_cursor(cursor: str) -> list[str]:
    """The values of a group. Raises InvalidRequest."""
    try:
        values = json.loads(decode(cursor))
        if not isinstance(values, list) or not all(_is_value(each) for each in values):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("cursor: is not valid.", param="cursor") from error
    return values


def _is_value(value: object) -> bool:
    """Whether the store can hold it."""
    return isinstance(value, str) and not any(
        each == "\0" or "\ud800" <= each <= "\udfff" for each in value
    )
