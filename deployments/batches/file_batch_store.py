"""How batches over files stand: rows of `file_batches`.

In: a transaction, a tenant, a job. Out: FileBatchState. A row is read and written a few times a
second at most, whatever the number of lines.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import file_batches as rows

_COLUMNS = (
    *("total", "validated", "errors", "segments", "line", "position", "succeeded", "failed"),
    *("output", "error_output"),
)


@dataclass(frozen=True, slots=True)
class FileBatchState:
    """`total` lines are called, once `validated` (Unix seconds); `errors` says why not. `segments`
    of outcomes are stored, of every line before number `line`, which begins at `position` of the
    file. `output` and `error_output` are the files with the outcomes (None: there are none).
    """

    total: int = 0
    validated: float | None = None
    errors: Sequence[dict[str, Any]] = ()
    segments: int = 0
    line: int = 0
    position: int = 0
    succeeded: int = 0
    failed: int = 0
    output: str | None = None
    error_output: str | None = None


class FileBatchStore:
    async def add(self, connection: AsyncConnection, tenant: str, job: str) -> None:
        values = {name: getattr(FileBatchState(), name) for name in _COLUMNS} | {"errors": []}
        await connection.execute(insert(rows).values(job=job, tenant=tenant, **values))

    async def get(self, connection: AsyncConnection, tenant: str, job: str) -> FileBatchState:
        """That of an unknown batch is the first one."""
        return (await self.states(connection, tenant, [job]))[job]

    async def states(
        self, connection: AsyncConnection, tenant: str, jobs: Collection[str]
    ) -> dict[str, FileBatchState]:
        """By job."""
        found = dict.fromkeys(jobs, FileBatchState())
        query = select(rows).where(rows.c.tenant == tenant, rows.c.job.in_(list(jobs)))
        for row in await connection.execute(query):
            columns = row._mapping
            found[row.job] = FileBatchState(**{name: columns[name] for name in _COLUMNS})
        return found

    async def set_validated(
        self, connection: AsyncConnection, tenant: str, job: str, total: int, at: float
    ) -> None:
        await connection.execute(
            update(rows).where(_is(tenant, job)).values(total=total, validated=at)
        )

    async def set_errors(
        self, connection: AsyncConnection, tenant: str, job: str, errors: Sequence[dict[str, Any]]
    ) -> None:
        await connection.execute(update(rows).where(_is(tenant, job)).values(errors=list(errors)))

    async def advance(
        self, connection: AsyncConnection, tenant: str, job: str, state: FileBatchState
    ) -> bool:
        """Store that `state.segments` are stored now; False if it had been done already."""
        is_next = and_(_is(tenant, job), rows.c.segments == state.segments - 1)
        names = ("segments", "line", "position", "succeeded", "failed", "output", "error_output")
        values = {name: getattr(state, name) for name in names}
        result = await connection.execute(update(rows).where(is_next).values(**values))
        return result.rowcount == 1


def _is(tenant: str, job: str) -> ColumnElement[bool]:
    return and_(rows.c.tenant == tenant, rows.c.job == job)
