"""The layers around the application, outermost first. Each is pure ASGI.

    RequestBoundary   request id, access log, headers of every response
    CORS              only where origins are configured
    ErrorBoundary     errors become problems
    TrustedHosts      only where hosts are configured
    Representation    HEAD as GET, ETag and 304, gzip
    LimitedRequests   open requests, deadline, size and coding of the body, client's disconnect
    FastAPI

ErrorBoundary stands outside the layers that refuse, so a layer refuses by raising; CORS stands
outside ErrorBoundary, so a browser may read a refusal.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from deployments.ingress.http.middleware.boundary import (
    ANY_HOST,
    ErrorBoundary,
    RequestBoundary,
    TrustedHosts,
)
from deployments.ingress.http.middleware.limits import (
    SIGN_IN,
    LimitedRequests,
    RequestLimits,
    image_bodies,
)
from deployments.ingress.http.middleware.representation import Representation
from deployments.ingress.upload_limits import (
    FILE_LIMIT,
    audio_limits,
    document_limit,
    upload_limits,
)

if TYPE_CHECKING:  # the services hold what the fast path finds, and that imports a layer
    from deployments.ingress.services import AppServices

TUS_EXPOSED = (
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Expires",
    "Tus-Checksum-Algorithm",
    "Mobula-Video",
)
TUS_ALLOWED = (
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Offset",
    "Upload-Metadata",
    "Upload-Checksum",
    "X-HTTP-Method-Override",
)
EXPOSED_HEADERS = (
    "X-Request-ID",
    "Retry-After",
    "X-Mobula-Overhead-Ms",
    "ETag",
    "Age",
    "Cache-Status",
    "Idempotency-Replayed",
    "Mobula-Ignored",
    "Mobula-Next-Cursor",
    "Location",
    "Preference-Applied",
    "Content-Range",
    "Accept-Ranges",
    "Content-Disposition",
    *TUS_EXPOSED,
    "RateLimit",
    "RateLimit-Policy",
    *(
        f"x-ratelimit-{value}-{unit}"
        for value in ("limit", "remaining", "reset")
        for unit in ("requests", "tokens")
    ),
)


def wrap(
    app: ASGIApp, services: "AppServices", on_request: Callable[[str], None] | None = None
) -> ASGIApp:
    """Put every layer around `app`, innermost first. `on_request` is told each request's id."""
    settings, clock, media = services.settings, services.clock, services.media
    uploads = (
        (FILE_LIMIT,) if media is None else upload_limits(media.ingest.limits, media.max_form_bytes)
    )
    if services.audio is not None:
        uploads += audio_limits(services.audio.config.max_form_bytes)
    if services.documents is not None:
        uploads += (document_limit(services.documents.max_form_bytes),)
    limits = RequestLimits(
        settings.max_body_bytes,
        settings.request_timeout_s,
        settings.max_timeout_s,
        settings.max_concurrent_requests,
        (
            SIGN_IN,
            image_bodies(max(settings.max_body_bytes, settings.max_image_body_bytes)),
            *uploads,
        ),
    )
    app = LimitedRequests(app, limits, clock)
    app = Representation(app)
    if ANY_HOST not in settings.allowed_hosts:
        app = TrustedHosts(app, settings.allowed_hosts)
    app = ErrorBoundary(app)
    if settings.cors_origins:
        app = _allow_origins(app, settings.cors_origins)
    write, metrics = services.access_log, services.request_metrics
    return RequestBoundary(app, clock, write, metrics, services.tracing, on_request)


def _allow_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Never with credentials: keys are sent in a header, not a cookie."""
    return CORSMiddleware(
        app,
        allow_origins=tuple(origins),
        allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=(
            "Authorization",
            "X-Api-Key",
            "Api-Key",
            "Anthropic-Version",
            "Anthropic-Beta",
            "Content-Type",
            "Content-Encoding",
            "X-Request-ID",
            "Mobula-Timeout",
            "Mobula-Priority",
            "Mobula-Tags",
            "Mobula-Cache",
            "Mobula-Cache-Tags",
            "Cache-Control",
            "If-None-Match",
            "Idempotency-Key",
            "Range",
            "If-Range",
            "Last-Event-ID",
            "Prefer",
            "Traceparent",
            "Tracestate",
            *TUS_ALLOWED,
        ),
        expose_headers=EXPOSED_HEADERS,
    )
