"""`/api/v1/health`: how what the cluster depends on is. For operators only.

Answers what the checks in the background have found; asking checks nothing.
"""

from dataclasses import asdict

from fastapi import APIRouter, Request

from cluster.health.report import DependencySummary
from cluster.runtime.problems import Overloaded
from deployments.ingress.permissions import ReadsCluster, services_of
from deployments.ingress.routes.responses import LOOK
from deployments.ingress.schemas.health import DependenciesResponse, DependencyResponse

router = APIRouter(prefix="/api/v1/health", tags=["system"])


@router.get(
    "/dependencies",
    response_model=DependenciesResponse,
    responses=LOOK,
    summary="How every dependency is, and what follows while it is away",
)
async def list_dependencies(access: ReadsCluster, request: Request) -> DependenciesResponse:
    """The database, Redis, the limiter, cache tiers, file stores, models, Ray, HAProxy, webhooks,
    disks, the clock, and the operator's own checks; checked in the background."""
    health = services_of(request).health
    if health is None:
        raise Overloaded("This process checks no dependencies.", retry_after_s=5.0)
    status = await health.status()
    return DependenciesResponse.model_validate(
        {
            "at": status.at,
            "state": status.state.value,
            "ingress_replicas": len(status.reports),
            "dependencies": [_answer(each) for each in status.dependencies],
        }
    )


def _answer(summary: DependencySummary) -> DependencyResponse:
    replicas = [
        {**asdict(status), "replica": report.replica, "node": report.node}
        for report, status in summary.reports
    ]
    return DependencyResponse.model_validate({**asdict(summary.status), "replicas": replicas})
