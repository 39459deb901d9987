"""Reading what was recorded: usage, the audit trail and events."""

import base64
import json
import re
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import select, tuple_

from cluster.audit import search
from cluster.audit.checkpoints import FILE
from cluster.audit.findings import Report
from cluster.audit.keys import AuditKeys
from cluster.audit.search import Filters
from cluster.audit.verify import verify
from cluster.clock import Clock
from cluster.events.outbox import Event
from cluster.problems import InvalidRequest
from cluster.storage.database import Database
from cluster.storage.pages import Page
from cluster.storage.tables import events
from cluster.usage.report import UsageRow, usage_report

AUDIT = "audit"  # the folder of checkpoints in the home
MAX_DAYS = 400
_CURSOR = re.compile(r"[0-9A-Za-z_-]{1,120}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used from `since` to `until` (UTC days, both included)."""

    since: date
    until: date
    rows: Sequence[UsageRow]


class Records:
    """Every method takes the tenant whose records are read; None: every tenant's."""

    def __init__(
        self, database: Database, clock: Clock, keys: AuditKeys, checkpoints: Path
    ) -> None:
        """`checkpoints` is the folder of the audit trail's checkpoint files."""
        self._database = database
        self._clock = clock
        self._keys = keys
        self._checkpoints = checkpoints

    async def usage(
        self, tenant: str | None, since: date | None, until: date | None, group_by: Collection[str]
    ) -> Usage:
        """By default this month until today. Raises InvalidRequest for an odd span or group."""
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
        return Usage(first, last, rows)

    async def search(
        self, tenant: str | None, filters: Filters, limit: int, cursor: str | None
    ) -> search.Page:
        """The newest records first."""
        async with self._database.read() as connection:
            return await search.search(connection, tenant, filters, cursor=cursor, limit=limit)

    def export(self, tenant: str | None, filters: Filters) -> AsyncIterator[bytes]:
        """Every matching record as a line of JSON."""
        return search.export(self._database, tenant, filters)

    async def verify(self) -> Report:
        """Check every record of every tenant against chains and checkpoints."""
        async with self._database.read() as connection:
            return await verify(connection, self._keys, [self._checkpoints / FILE])

    async def events(self, tenant: str, limit: int, cursor: str | None) -> Page[Event]:
        """The newest first. Raises InvalidRequest for a cursor that is not one."""
        query = select(events).where(events.c.tenant == tenant)
        order = (events.c.at, events.c.id)
        if cursor is not None:
            query = query.where(tuple_(*order) < tuple_(*_position(cursor)))
        query = query.order_by(*(column.desc() for column in order)).limit(limit + 1)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        found = tuple(Event(**row._mapping) for row in rows[:limit])
        return Page(found, _cursor(found[-1]) if len(rows) > limit else None)


def _cursor(event: Event) -> str:
    place = json.dumps([event.at, event.id]).encode()
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _position(cursor: str) -> tuple[float, str]:
    try:
        if _CURSOR.fullmatch(cursor) is None:
            raise ValueError
        at, event = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return float(at), str(event)
    except (ValueError, TypeError) as error:
        raise InvalidRequest("cursor: is not one of ours.", param="cursor") from error
