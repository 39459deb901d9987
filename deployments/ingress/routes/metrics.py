"""`/metrics/{part}`: figures of Ray and HAProxy on this node, behind the API's port and a key.

Their own ports ask for no credential and listen on loopback, or ought to. Flows in: a caller with
the scope `metrics:read`. Flows out: what the part answers, as it comes, up to MAX_BYTES.
"""

from collections.abc import AsyncIterator
from typing import Literal

import httpx
from fastapi import APIRouter, Request
from starlette.responses import Response

from cluster.ops.ports import Ports
from cluster.runtime.problems import Overloaded
from cluster.runtime.settings import LOOPBACK, Settings
from deployments.ingress.permissions import ReadsMetrics, services_of
from deployments.ingress.routes.responses import LOOK

Part = Literal["ray", "haproxy"]
MAX_BYTES = 32 << 20
TIMEOUT_S = 5.0
TEXT = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["system"])


@router.get(
    "/metrics/{part}",
    response_class=Response,
    responses=LOOK,
    summary="Figures of Ray or HAProxy on this node, as Prometheus reads them",
)
async def scrape_node(access: ReadsMetrics, part: Part, request: Request) -> Response:
    """Needs the scope `metrics:read`. 503 where this node has no such process."""
    url = url_of(part, services_of(request).settings)
    try:
        content = b"".join([part async for part in _read(url)])
    except (httpx.HTTPError, OSError, _TooLarge) as error:
        raise Overloaded(
            f"The figures of {part} cannot be read on this node.", retry_after_s=5.0
        ) from error
    return Response(content, media_type=TEXT)


def url_of(part: Part, settings: Settings) -> str:
    ports = Ports.of(settings)
    port = ports.metrics if part == "ray" else ports.haproxy_metrics
    return f"http://{LOOPBACK}:{port}/metrics"


class _TooLarge(Exception):
    pass


async def _read(url: str) -> AsyncIterator[bytes]:
    size = 0
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http,
        http.stream("GET", url) as answer,
    ):
        answer.raise_for_status()
        async for part in answer.aiter_bytes():
            size += len(part)
            if size > MAX_BYTES:
                raise _TooLarge
            yield part
