"""What error answers of upstreams mean."""

import pytest

from cluster.resilience.failure_class import (
    FailureClass,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamRefused,
    classify,
    is_unavailable,
)
from cluster.runtime.problems import (
    ContentRefused,
    InvalidRequest,
    Problem,
    PromptTooLong,
    UnsupportedParameter,
)
from deployments.providers.errors import UpstreamError, error_problem, quoted, retry_after_s


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, UpstreamError(code="context_length_exceeded"), PromptTooLong),
        (400, UpstreamError(message="prompt is too long: 9 tokens > 5"), PromptTooLong),
        (413, UpstreamError(), PromptTooLong),
        (400, UpstreamError(code="content_policy_violation"), ContentRefused),
        (400, UpstreamError(code="unsupported_parameter", param="seed"), UnsupportedParameter),
        (400, UpstreamError(message="bad tool"), InvalidRequest),
        (422, UpstreamError(), InvalidRequest),
        (401, UpstreamError(), UpstreamRefused),
        (402, UpstreamError(), UpstreamRefused),
        (403, UpstreamError(), UpstreamRefused),
        (404, UpstreamError(), UpstreamRefused),
        (307, UpstreamError(), UpstreamRefused),
        (429, UpstreamError(), UpstreamBusy),
        (503, UpstreamError(), UpstreamBusy),
        (529, UpstreamError(), UpstreamBusy),
        (408, UpstreamError(), UpstreamFailed),
        (500, UpstreamError(), UpstreamFailed),
        (204, UpstreamError(), UpstreamFailed),
    ],
)
def test_each_status_is_somebodys_fault(
    status: int, error: UpstreamError, kind: type[Problem]
) -> None:
    assert type(error_problem("m", status, {}, error)) is kind


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_another_upstream_and_another_model_may_do_better(status: int) -> None:
    problem = error_problem("m", status, {}, UpstreamError())

    assert classify(problem, 0, 30) in (FailureClass.LOST, FailureClass.BUSY)
    assert is_unavailable(problem)


def test_a_callers_fault_stays_with_the_caller() -> None:
    problem = error_problem("m", 400, {}, UpstreamError(message="n must be 1", param="n"))

    assert classify(problem, 0, 30) is FailureClass.NONE
    assert not is_unavailable(problem)
    assert problem.param == "n"


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abcdefgh12345678", "https://internal.example/v1?api-key=1", "org-8472hdjs82",
     "Bearer abc.def", "AKIAIOSFODNN7EXAMPLEKEY0123456789"],
)  # fmt: skip
def test_keys_accounts_and_addresses_are_not_quoted(secret: str) -> None:
    problem = error_problem("m", 400, {}, UpstreamError(message=f"refused {secret} today"))

    assert secret not in problem.detail
    assert "today" in problem.detail


def test_quotes_are_one_short_line() -> None:
    assert len(quoted("a\n b" * 1000)) <= 300
    assert "\n" not in quoted("a\nb\x00\x1b[31m")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        (
            {
                "retry-after": "Mon, 30 Nov 2026 12:00:10 GMT",
                "date": "Mon, 30 Nov 2026 12:00:00 GMT",
            },
            10.0,
        ),
        ({"retry-after": "99999999"}, 3600.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 30 Nov 2026 12:00:10 GMT"}, None),
        ({"retry-after": "1" * 400}, None),
        ({}, None),
    ],
)
def test_retry_after_in_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_a_quota_that_is_used_up_is_left_alone_longer() -> None:
    problem = error_problem("m", 429, {}, UpstreamError(code="insufficient_quota"))

    assert problem.extensions["retry_after_s"] == 60.0
