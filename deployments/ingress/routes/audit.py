"""`/api/v1/audit`: who did what, the whole of it as a stream, and whether it was tampered with."""

from dataclasses import asdict, fields
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from cluster.audit.search import Entry as AuditEntry
from cluster.audit.search import Filters
from deployments.ingress.permissions import Operator, ReadsAudit
from deployments.ingress.routes.described import LOOK, NO_STORE
from deployments.ingress.schemas.records import (
    AuditAnswer,
    AuditFilter,
    AuditPage,
    AuditQuery,
    VerifyAnswer,
)
from deployments.ingress.streaming import NDJSON

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
FILTERS = tuple(field.name for field in fields(Filters))


@router.get("", response_model=AuditPage, responses=LOOK, summary="Search the audit trail")
async def search(entry: ReadsAudit, query: Annotated[AuditQuery, Query()]) -> AuditPage:
    """Newest first; own tenant, unless the operator names another."""
    found = await entry.office.records.search(
        entry.tenant, _filters(query), query.limit, query.cursor
    )
    return AuditPage(data=[_answer(each) for each in found.entries], next_cursor=found.cursor)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}, **LOOK},
    summary="Every matching record, newest first, a line each",
)
async def export(entry: ReadsAudit, query: Annotated[AuditFilter, Query()]) -> StreamingResponse:
    lines = entry.office.records.export(entry.tenant, _filters(query))
    return StreamingResponse(lines, media_type=NDJSON, headers=NO_STORE)


@router.get(
    "/verify",
    response_model=VerifyAnswer,
    responses=LOOK,
    summary="Check every record of every tenant",
)
async def verify(entry: Operator) -> VerifyAnswer:
    report = await entry.office.records.verify()
    return VerifyAnswer(
        ok=report.ok,
        records=report.records,
        writers=report.writers,
        checkpoints=report.checkpoints,
        lost=report.lost,
        alarms=report.alarms,
        findings=[str(finding) for finding in report.findings],
    )


def _filters(query: AuditFilter) -> Filters:
    return Filters(**{name: getattr(query, name) for name in FILTERS})


def _answer(entry: AuditEntry) -> AuditAnswer:
    return AuditAnswer(writer=entry.writer, seq=entry.seq, mac=entry.mac, **asdict(entry.record))
