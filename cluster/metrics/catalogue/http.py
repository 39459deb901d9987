"""HTTP requests of the ingress, those that go around Serve's wrapper included."""

from cluster.metrics.metric import OVERHEAD_S, counter, gauge, histogram

_ROUTES = "the template of the route; `other` for paths that no route has"
_OPERATIONS = "chat, completions, captions and so on: one for each route that generates or analyses"

REQUESTS = counter(
    "mobula_http_requests_total",
    "HTTP requests by route, method and status; 499: the client left.",
    source="ingress",
    labels=("route", "method", "code"),
    labels_from=_ROUTES,
)
OUTCOMES = counter(
    "mobula_http_outcomes_total",
    "HTTP requests by outcome; every outcome is there from the start, so a rate sees its first.",
    source="ingress",
    labels=("outcome",),
    labels_from="ok, client_error, limited (429), server_error, left (the client did)",
)
DURATION = histogram(
    "mobula_http_request_duration_seconds",
    "Seconds until an HTTP request was answered completely: at once, as a stream of generated "
    "text, or as a feed that lasts as long as its client listens.",
    source="ingress",
    labels=("route", "kind"),
    cap=40,
    labels_from=f"{_ROUTES}; unary, stream, feed",
)
OVERHEAD = histogram(
    "mobula_overhead_seconds",
    "Seconds to the first byte of an operation's response that were not spent waiting for a "
    "model, as X-Mobula-Overhead-Ms says.",
    source="ingress",
    labels=("operation",),
    buckets=OVERHEAD_S,
    labels_from=_OPERATIONS,
)
OPERATIONS = counter(
    "mobula_operation_requests_total",
    "Requests of an operation by outcome: ok, client_error, limited (429), server_error, left.",
    source="ingress",
    labels=("operation", "outcome"),
    labels_from=_OPERATIONS,
)
OPEN = gauge("mobula_http_open_requests", "HTTP requests that are open.", source="ingress")
RESPONSE_BYTES = counter(
    "mobula_http_response_bytes_total",
    "Bytes of response bodies.",
    source="ingress",
    labels=("route",),
    labels_from=_ROUTES,
)
PROBLEMS = counter(
    "mobula_problems_total",
    "Requests that were answered with a problem.",
    source="ingress",
    labels=("problem",),
    labels_from="the slugs of problems",
)
