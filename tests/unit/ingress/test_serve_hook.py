"""What the way around Serve's wrapper stands on in Ray's own source."""

from importlib.metadata import distribution, version

import pytest

from deployments.ingress.http.serve_bypass import RUNNING_REQUESTS


def _source(name: str) -> str:
    return distribution("ray").locate_file(f"ray/serve/{name}").read_text()  # type: ignore[attr-defined]


def test_this_is_the_ray_whose_source_was_read() -> None:
    """After an upgrade: measure and run the cluster and chaos tiers before this is changed."""
    assert version("ray") == "2.60.0"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        # The layers of the callback are outermost, around the handler of each replica's own port.
        ("_private/http_util.py", "in [Middleware(RequestIdMiddleware)] + middlewares:"),
        ("_private/replica.py", "options = configure_http_middlewares("),
        ("_private/replica.py", "self._direct_ingress_asgi,\n                    options,"),
        ("_private/replica.py", 'if route in ["/-/healthz", "/-/routes"]:'),
        # The application is there before its port.
        ("_private/replica.py", "_on_initialized(self):\n        await self._maybe_start"),
        # What a replica reports replaces what Serve counts.
        ("_private/common.py", f'RUNNING_REQUESTS_KEY = "{RUNNING_REQUESTS}"'),
        ("_private/replica.py", "metrics_dict.update(custom_metrics)"),
        ("_private/replica.py", 'self._callable, "record_autoscaling_stats", None'),
        # Handle calls take the request id from the context of the task.
        ("context.py", '_set_request_context(\n    route: str = "",\n    request_id: str = "",'),
        ("_private/default_impl.py", "request_id=_request_context.request_id\n"),
        ("_private/tracing_utils.py", "def is_tracing_enabled() -> bool:"),
    ],
)  # fmt: skip
def test_serve_still_has_what_is_used(file: str, text: str) -> None:
    assert _source(file).count(text) == 1


def test_a_replica_that_stops_awaits_its_server_within_the_grace_and_before_its_destructor() -> (
    None
):
    source = _source("_private/replica.py")
    start = source.index("async def _perform_graceful_shutdown(self):")
    stops = source[start : source.index("    async def check_health(self):", start)]

    closes = stops.index("self._direct_ingress_http_server.should_exit = True")
    awaits = stops.index("self._direct_ingress_http_server_task,\n", closes)
    assert "timeout=remaining_grace_s()" in stops[awaits : awaits + 100]
    assert awaits < stops.index("await self.shutdown()")
