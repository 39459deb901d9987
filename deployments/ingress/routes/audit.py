"""`/api/v1/audit`: who did what, all of it as a stream, whether it was tampered with, removal."""

from dataclasses import asdict, fields
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from cluster.audit.search import AuditEntry, Filters
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.http.streaming import NDJSON
from deployments.ingress.permissions import Operator, ReadsAudit
from deployments.ingress.routes.responses import CHANGE, LOOK, NO_STORE
from deployments.ingress.schemas.records import (
    AuditAnswer,
    AuditFilter,
    AuditPage,
    AuditPrune,
    AuditQuery,
    PruneAnswer,
    VerifyAnswer,
)

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
FILTERS = tuple(field.name for field in fields(Filters))


@router.get("", response_model=AuditPage, responses=LOOK, summary="Search the audit trail")
async def search(access: ReadsAudit, query: Annotated[AuditQuery, Query()]) -> AuditPage:
    """Newest first; own tenant, unless the operator names another."""
    page = await access.admin.records.search(
        access.tenant, _filters(query), query.limit, query.cursor
    )
    return AuditPage(data=[_answer(each) for each in page.entries], next_cursor=page.cursor)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}, **LOOK},
    summary="Every matching record, newest first, a line each",
)
async def export(access: ReadsAudit, query: Annotated[AuditFilter, Query()]) -> StreamingResponse:
    lines = access.admin.records.export(access.tenant, _filters(query))
    return StreamingResponse(lines, media_type=NDJSON, headers=NO_STORE)


@router.get(
    "/verify",
    response_model=VerifyAnswer,
    responses=LOOK,
    summary="Check every record of every tenant",
)
async def verify(access: Operator) -> VerifyAnswer:
    """Against the checkpoints of the node that answers; `notes` says what others would tell."""
    report = await access.admin.records.verify()
    return VerifyAnswer(
        ok=report.ok,
        records=report.records,
        writers=report.writers,
        checkpoints=report.checkpoints,
        rows=report.rows,
        lost=report.lost,
        alarms=report.alarms,
        findings=[str(finding) for finding in report.findings],
        notes=[str(note) for note in report.notes],
    )


@router.post(
    "/prune",
    response_model=PruneAnswer,
    responses=CHANGE,
    summary="Remove old records of every tenant",
    openapi_extra=request_body(AuditPrune),
)
async def prune(access: Operator, request: Request) -> PruneAnswer:
    """Up to this node's last checkpoint before then; chains of other nodes stay as they are."""
    before = (await read_json(request, AuditPrune)).instant
    removed = await access.admin.records.prune(access.actor, before)
    return PruneAnswer(removed=removed, before=before)


def _filters(query: AuditFilter) -> Filters:
    return Filters(**{name: getattr(query, name) for name in FILTERS})


def _answer(entry: AuditEntry) -> AuditAnswer:
    return AuditAnswer(writer=entry.writer, seq=entry.seq, mac=entry.mac, **asdict(entry.record))
