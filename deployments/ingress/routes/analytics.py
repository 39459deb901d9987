"""`/api/v1/analytics/events`: outcomes of posts and of whatever else a tenant counts."""

import asyncio

from fastapi import APIRouter, Request
from pydantic import ValidationError

from cluster.outcomes.model import MAX_AGE_S, MAX_AHEAD_S, Outcome
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.http.validation import from_validation_error
from deployments.ingress.permissions import WritesAnalytics, services_of
from deployments.ingress.routes.responses import CHANGE
from deployments.ingress.schemas.analytics import (
    OutcomeError,
    OutcomeEvent,
    OutcomeEvents,
    OutcomeReceipt,
)

MAX_VALUES = 30_000  # members of a body: a thousand events of eleven members, and more
READ_AT_ONCE = 25
router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])


@router.post(
    "/events",
    response_model=OutcomeReceipt,
    responses=CHANGE,
    summary="Report up to 1,000 outcomes",
    openapi_extra=request_body(OutcomeEvents),
)
async def create_analytics_events(access: WritesAnalytics, request: Request) -> OutcomeReceipt:
    """An id counts once, so a call may be repeated. Events that are refused are listed, the others
    are stored. `at` is at most 35 days old and 5 minutes ahead; without it, it is now.
    """
    body = await read_json(request, OutcomeEvents, MAX_VALUES)
    now = services_of(request).clock.wall()
    outcomes: list[Outcome] = []
    errors: list[OutcomeError] = []
    for index, given in enumerate(body.events):
        if index % READ_AT_ONCE == READ_AT_ONCE - 1:
            await asyncio.sleep(0)  # other requests run in between
        read = _read(index, given, now)
        if isinstance(read, OutcomeError):
            errors.append(read)
        else:
            outcomes.append(read)
    recorded = await access.admin.outcomes.record(access.tenant, outcomes)
    return OutcomeReceipt(
        accepted=recorded.accepted,
        duplicates=recorded.duplicates,
        rejected=len(errors),
        errors=errors,
    )


def _read(index: int, given: object, now: float) -> Outcome | OutcomeError:
    try:
        outcome = OutcomeEvent.model_validate(given).outcome(now)
    except ValidationError as error:
        faults = from_validation_error(error, given, OutcomeEvent).extensions["errors"]
        return OutcomeError(index=index, id=_id(given), errors=faults)
    if now - MAX_AGE_S <= outcome.at <= now + MAX_AHEAD_S:
        return outcome
    age = "is over 35 days old" if outcome.at < now else "is over 5 minutes ahead"
    fault = {"pointer": "/at", "detail": age, "type": "out-of-range"}
    return OutcomeError(index=index, id=outcome.id, errors=[fault])


def _id(given: object) -> str | None:
    id = given.get("id") if isinstance(given, dict) else None
    return id[:128] if isinstance(id, str) else None
