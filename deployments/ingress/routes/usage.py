"""`/api/v1/usage`: what a tenant used, what it cost and what it brings, as JSON or CSV."""

import csv
import io
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from deployments.ingress.permissions import ReadsUsage
from deployments.ingress.routes.responses import LOOK, NO_STORE
from deployments.ingress.schemas.records import UsageAnswer, UsageQuery, UsageRow

router = APIRouter(prefix="/api/v1/usage", tags=["usage"])
CSV = "text/csv"


@router.get(
    "",
    response_model=UsageAnswer,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, **LOOK},
    summary="Usage by unit, key, model and day",
)
async def usage(
    access: ReadsUsage, query: Annotated[UsageQuery, Query()], request: Request
) -> UsageAnswer | Response:
    """`Accept: text/csv` gives a table. Amounts are exact; money is in millionths."""
    everybody = "tenant" in query.group_by and query.tenant is None and access.actor.is_operator
    report = await access.admin.records.usage(
        None if everybody else access.tenant, query.since, query.until, query.group_by
    )
    rows = [UsageRow.model_validate(asdict(row)) for row in report.rows]
    if CSV in request.headers.get("accept", ""):
        return Response(_csv(rows), media_type=CSV, headers=NO_STORE)
    return UsageAnswer(since=report.since.isoformat(), until=report.until.isoformat(), data=rows)


def _csv(rows: list[UsageRow]) -> str:
    """A column for each group and each unit; a unit that was not used counts 0."""
    groups = list(rows[0].group) if rows else []
    units = sorted({unit for row in rows for unit in row.amounts})
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*groups, *units, "cost", "revenue"])
    for row in rows:
        amounts = [row.amounts.get(unit, 0) for unit in units]
        writer.writerow([*map(_plain, row.group.values()), *amounts, row.cost, row.revenue])
    return out.getvalue()


def _plain(text: str) -> str:
    """A spreadsheet must not take a name for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text
