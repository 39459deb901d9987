"""The rate limit headers of a response."""

from deployments.limiter.status import rate_limit_headers


def test_without_limits_there_are_no_headers() -> None:
    assert rate_limit_headers([], now=0.0, wall=0.0) == []
