"""One small Grafana dashboard over what is measured today; flows out as Grafana's JSON.

Names beginning with `ray_serve_` are Ray's, which count calls by handle: HTTP requests go around
Serve's wrapper. Calls of models go over links. The rest are of the catalogue (cluster/metrics).
"""

from typing import Any

SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT = 12, 8  # of a panel, in Grafana's grid of 24 columns

_LATENCY = "sum(rate(ray_serve_deployment_processing_latency_ms_bucket[5m])) by (le, deployment)"
_HTTP_LATENCY = "sum(rate(mobula_http_request_duration_seconds_bucket[5m])) by (le)"

# Title, unit, and each series: the PromQL, and what it is called.
PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "HTTP requests per second, by status",
        "reqps",
        (("sum(rate(mobula_http_requests_total[5m])) by (code)", "{{code}}"),),
    ),
    (
        "Time of an HTTP request",
        "s",
        (
            (f"histogram_quantile(0.5, {_HTTP_LATENCY})", "median"),
            (f"histogram_quantile(0.95, {_HTTP_LATENCY})", "95th percentile"),
        ),
    ),
    (
        "Calls of models per second; by handle",
        "reqps",
        (
            ("sum(rate(mobula_model_calls_total[5m])) by (model)", "{{model}}"),
            (
                "sum(rate(mobula_model_links_by_handle_total[5m])) by (model)",
                "{{model}}, by handle",
            ),
        ),
    ),
    (
        "Calls by handle per second, by deployment",
        "reqps",
        (
            (
                "sum(rate(ray_serve_deployment_request_counter_total[5m])) by (deployment)",
                "{{deployment}}",
            ),
        ),
    ),
    (
        "Failures per second, by deployment",
        "reqps",
        (
            (
                "sum(rate(ray_serve_deployment_error_counter_total[5m])) by (deployment)",
                "{{deployment}}",
            ),
        ),
    ),
    (
        "Time in a deployment, 95th percentile",
        "ms",
        ((f"histogram_quantile(0.95, {_LATENCY})", "{{deployment}}"),),
    ),
    (
        "Calls in progress, by deployment",
        "short",
        (
            ("sum(ray_serve_replica_processing_queries) by (deployment)", "{{deployment}}"),
            ("sum(mobula_http_open_requests)", "open HTTP requests"),
        ),
    ),
    (
        "Responses from the cache, per second",
        "reqps",
        (
            ("sum(rate(mobula_cache_hits_total[5m])) by (tier)", "hits in {{tier}}"),
            ("sum(rate(mobula_cache_computed_total[5m]))", "computed"),
        ),
    ),
    (
        "Tokens that no model had to compute, per second",
        "short",
        (("sum(rate(mobula_cache_tokens_saved_total[5m]))", "tokens"),),
    ),
)


def dashboard() -> dict[str, Any]:
    return {
        "uid": "mobula",
        "title": "Mobula",
        "schemaVersion": 41,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "panels": [_panel(number) for number in range(len(PANELS))],
    }


def _panel(number: int) -> dict[str, Any]:
    title, unit, series = PANELS[number]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "gridPos": {
            "x": WIDTH * (number % 2),
            "y": HEIGHT * (number // 2),
            "w": WIDTH,
            "h": HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(series)
        ],
    }
