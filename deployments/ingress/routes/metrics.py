"""`/metrics`: figures of all replicas. `/metrics/{part}`: those of Ray and HAProxy on this node.

Their own ports ask for no credential and listen on loopback, or ought to. Flows in: a caller with
the scope `metrics:read`. Flows out: every series of the catalogue (cluster/metrics), or what the
part answers, as it comes, up to MAX_BYTES.
"""

from collections.abc import AsyncIterator
from typing import Literal

import httpx
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from cluster.metrics.exposition import OPENMETRICS, TEXT, wants_openmetrics
from cluster.ops.ports import Ports
from cluster.runtime.problems import Overloaded
from cluster.runtime.settings import LOOPBACK, Settings
from deployments.ingress.permissions import ReadsMetrics, services_of
from deployments.ingress.routes.responses import LOOK

Part = Literal["ray", "haproxy"]
MAX_BYTES = 32 << 20
TIMEOUT_S = 5.0

router = APIRouter(tags=["system"])


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=LOOK,
    summary="Figures of all replicas, as Prometheus reads them",
)
async def get_metrics(access: ReadsMetrics, request: Request) -> Response:
    """One series for each replica; OpenMetrics with exemplars where `Accept` prefers it. Give
    Prometheus a key with the scope `metrics:read`, which the operator grants, as bearer token.
    """
    openmetrics = wants_openmetrics(request.headers.get("accept", ""))
    content = await services_of(request).scrape.text(openmetrics=openmetrics)
    return Response(content, headers={"content-type": OPENMETRICS if openmetrics else TEXT})


@router.get(
    "/metrics/{part}",
    response_class=Response,
    responses=LOOK,
    summary="Figures of Ray or HAProxy on this node, as Prometheus reads them",
)
async def get_process_metrics(access: ReadsMetrics, part: Part, request: Request) -> Response:
    """Needs the scope `metrics:read`. 503 where this node has no such process."""
    url = url_of(part, services_of(request).settings)
    try:
        content = b"".join([part async for part in _read(url)])
    except (httpx.HTTPError, OSError, _TooLarge) as error:
        raise Overloaded(
            f"The figures of {part} cannot be read on this node.", retry_after_s=5.0
        ) from error
    return Response(content, headers={"content-type": TEXT})


def url_of(part: Part, settings: Settings) -> str:
    ports = Ports.of(settings)
    port = ports.metrics if part == "ray" else ports.haproxy_metrics
    return f"http://{LOOPBACK}:{port}/metrics"


class _TooLarge(Exception):
    pass


async def _read(url: str) -> AsyncIterator[bytes]:
    size = 0
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, verify=False) as http,  # plain HTTP
        http.stream("GET", url) as answer,
    ):
        answer.raise_for_status()
        async for part in answer.aiter_bytes():
            size += len(part)
            if size > MAX_BYTES:
                raise _TooLarge
            yield part
