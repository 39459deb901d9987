"""The layers around the application, outermost first. Each is pure ASGI and does one thing.

    RequestId -> AccessLog -> SecurityHeaders -> CORS -> Problems -> HeadRequests -> TrustedHosts
      -> ETags -> Compression -> Concurrency -> ServeHeaders -> Deadlines -> BodyLimit
      -> RequestDecoding (-> BodyLimit, of what a compressed body holds) -> FastAPI

Problems stands outside the layers that refuse, so a layer refuses by raising; CORS stands
outside Problems, so a browser may read a refusal; ETags stands outside Compression, so that each
coding of an answer has a tag of its own; HeadRequests stands outside both, so that a HEAD has the
fields of its GET.
"""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from deployments.ingress.http.middleware.access_log import AccessLog
from deployments.ingress.http.middleware.body_limit import BodyLimit
from deployments.ingress.http.middleware.compression import Compression
from deployments.ingress.http.middleware.concurrency import Concurrency
from deployments.ingress.http.middleware.deadlines import Deadlines
from deployments.ingress.http.middleware.etags import ETags
from deployments.ingress.http.middleware.head_requests import HeadRequests
from deployments.ingress.http.middleware.problems import Problems
from deployments.ingress.http.middleware.request_decoding import RequestDecoder
from deployments.ingress.http.middleware.request_id import RequestId
from deployments.ingress.http.middleware.route_limits import SIGN_IN
from deployments.ingress.http.middleware.security_headers import SecurityHeaders
from deployments.ingress.http.middleware.serve_headers import ServeHeaders
from deployments.ingress.http.middleware.trusted_hosts import TrustedHosts
from deployments.ingress.services import AppServices
from deployments.ingress.upload_limits import upload_limits

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
    "Location",
    "Preference-Applied",
    "Content-Range",
    "Accept-Ranges",
    "Content-Disposition",
    *TUS_EXPOSED,
    "RateLimit",
    "RateLimit-Policy",
    *(
        f"x-ratelimit-{what}-{unit}"
        for what in ("limit", "remaining", "reset")
        for unit in ("requests", "tokens")
    ),
)


def wrap(app: ASGIApp, services: AppServices, *, behind_serve: bool = False) -> ASGIApp:
    """Put every layer around `app`; read upwards, the order in which a request meets them."""
    settings, clock = services.settings, services.clock
    media = services.media
    more = () if media is None else upload_limits(media.ingest.limits, media.max_form_bytes)
    bounds = (SIGN_IN, *more)
    decoded = BodyLimit(app, settings.max_body_bytes, bounds)
    app = RequestDecoder(app, decoded)
    app = BodyLimit(app, settings.max_body_bytes, bounds)
    app = Deadlines(app, clock, settings.request_timeout_s, settings.max_timeout_s, bounds)
    app = ServeHeaders(app)
    app = Concurrency(app, settings.max_concurrent_requests)
    app = Compression(app)
    app = ETags(app)
    app = TrustedHosts(app, settings.allowed_hosts)
    app = HeadRequests(app)
    app = Problems(app)
    app = _cors(app, settings.cors_origins)
    app = SecurityHeaders(app)
    app = AccessLog(app, clock, services.access_log)
    return RequestId(app, outer_echoes=behind_serve)


def _cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """No origins, no layer. Never with credentials: keys travel in a header, not a cookie."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=tuple(origins),
        allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=(
            "Authorization",
            "Content-Type",
            "Content-Encoding",
            "X-Request-ID",
            "Mobula-Timeout",
            "Mobula-Priority",
            "Mobula-Cache",
            "Mobula-Cache-Tags",
            "Cache-Control",
            "If-None-Match",
            "Idempotency-Key",
            "Range",
            "If-Range",
            "Last-Event-ID",
            "Prefer",
            *TUS_ALLOWED,
        ),
        expose_headers=EXPOSED_HEADERS,
    )
