"""Limits of requests do not apply to what is no HTTP request."""

import pytest

from cluster.runtime.clock import ManualClock
from deployments.ingress.http.middleware.limits import LimitedRequests, RequestLimits


@pytest.mark.parametrize("scope", [{"type": "lifespan"}, {"type": "websocket", "headers": []}])
async def test_a_lifespan_and_a_websocket_are_passed_on(scope: dict[str, object]) -> None:
    scopes = []

    async def app(scope, receive, send) -> None:
        scopes.append(scope)

    async def nothing(*_arguments) -> None:
        raise AssertionError

    no_requests = RequestLimits(10, 7.0, 600.0, max_open=0)
    await LimitedRequests(app, no_requests, ManualClock())(dict(scope), nothing, nothing)

    assert scopes == [scope]
