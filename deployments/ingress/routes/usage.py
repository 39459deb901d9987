"""`/api/v1/usage`: what a tenant used, what it cost and what it brings, as JSON or CSV."""

import csv
import io
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cluster.administration.reports import UsageQuestion
from deployments.ingress.permissions import ReadsUsage
from deployments.ingress.routes.responses import LOOK, NO_STORE
from deployments.ingress.schemas.records import UsageQuery, UsageResponse, UsageRow

router = APIRouter(prefix="/api/v1/usage", tags=["usage"])
CSV = "text/csv"
NEXT_CURSOR = "Mobula-Next-Cursor"


@router.get(
    "",
    response_model=UsageResponse,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, **LOOK},
    summary="Usage by unit, key, model, day, team, end user, tag and provider",
)
async def get_usage(
    access: ReadsUsage, query: Annotated[UsageQuery, Query()], request: Request
) -> UsageResponse | Response:
    """`Accept: text/csv` gives a table. Amounts are exact; money is in millionths of `currency`.
    `next_cursor`, in a table the header `Mobula-Next-Cursor`, leads to the next page.
    """
    everybody = "tenant" in query.group_by and query.tenant is None and access.actor.is_operator
    question = UsageQuestion(**query.model_dump(exclude={"tenant"}))
    report = await access.admin.records.usage(None if everybody else access.tenant, question)
    rows = [UsageRow.model_validate(asdict(row)) for row in report.rows]
    if CSV in request.headers.get("accept", ""):
        following = {} if report.next is None else {NEXT_CURSOR: report.next}
        table = _csv(rows, report.currency or "")
        return Response(table, media_type=CSV, headers={**NO_STORE, **following})
    return UsageResponse(
        since=report.since.isoformat(),
        until=report.until.isoformat(),
        currency=report.currency,
        data=rows,
        next_cursor=report.next,
    )


def _csv(rows: list[UsageRow], currency: str) -> str:
    """A column for each group and each unit; a unit that was not used counts 0."""
    groups = list(rows[0].group) if rows else []
    units = sorted({unit for row in rows for unit in row.amounts})
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*groups, *units, "cost", "revenue", "currency"])
    for row in rows:
        amounts = [row.amounts.get(unit, 0) for unit in units]
        names = map(_plain, row.group.values())
        writer.writerow([*names, *amounts, row.cost, row.revenue, currency])
    return out.getvalue()


def _plain(text: str) -> str:
    """A spreadsheet must not take a name for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text
