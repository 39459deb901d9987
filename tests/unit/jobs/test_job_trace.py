"""The trace of a job is what its events say."""

from collections.abc import Mapping
from typing import Any

from cluster.tenants.caller import Priority
from cluster.tracing.span import SpanKind, SpanLink, TraceSpan
from deployments.contracts.jobs import Job, JobEvent, JobState
from deployments.jobs.job_trace import job_trace

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def job(state: JobState = "succeeded", ended: float | None = 20.0, **more: Any) -> Job:
    fields: dict[str, Any] = {"problem": None, "trace": "", **more}
    return Job(
        id="job_1", tenant="acme", kind="video.clips", key="k1", subject="v1", state=state,
        stage="", percent=100.0, priority=Priority.STANDARD, cost=1, weight=1.0, spec={},
        result={}, attempts=2, max_attempts=4, cancel_asked=False, version=9, created=10.0,
        started=11.0, ended=ended, expires=None, request_id="req_1", **fields,
    )  # fmt: skip


def events(*entries: tuple[float, str, Mapping[str, Any]]) -> list[JobEvent]:
    return [
        JobEvent("job_1", seq, at, kind, data) for seq, (at, kind, data) in enumerate(entries, 1)
    ]


RETRIED = events(
    (10.0, "queued", {}),
    (11.0, "started", {"attempt": 1}),
    (11.2, "progress", {"stage": "analyse", "percent": 1.0}),
    (11.5, "progress", {"stage": "analyse", "percent": 9.0}),
    (12.0, "retrying", {"attempt": 1, "reason": "lease-expired"}),
    (14.0, "started", {"attempt": 2}),
    (14.5, "progress", {"stage": "analyse", "percent": 10.0}),
    (16.0, "part", {"number": 1}),
    (17.0, "progress", {"stage": "render", "percent": 50.0}),
    (20.0, "succeeded", {"percent": 100.0}),
)


def drawn(spans: tuple[TraceSpan, ...]) -> list[tuple[str, str, float, float, str]]:
    """(name, name of the parent, start, end, error), in the order of their begin."""
    names = {span.span_id: span.name for span in spans}
    lines = [
        (span.name, names.get(span.parent_id, ""), span.start, span.end, span.error)
        for span in spans
    ]
    return sorted(lines, key=lambda line: (line[2], -line[3]))


def test_attempts_and_stages_lie_below_the_job_that_was_ordered() -> None:
    trace = job_trace(job(trace=f"00-{TRACE}-{SPAN}-01"), RETRIED)

    assert drawn(trace.spans) == [
        ("video.clips", "", 10.0, 20.0, ""),
        ("wait", "video.clips", 10.0, 11.0, ""),
        ("attempt 1", "video.clips", 11.0, 12.0, "lease-expired"),
        ("analyse", "attempt 1", 11.2, 12.0, "lease-expired"),
        ("wait", "video.clips", 12.0, 14.0, ""),
        ("attempt 2", "video.clips", 14.0, 20.0, ""),
        ("analyse", "attempt 2", 14.5, 17.0, ""),
        ("render", "attempt 2", 17.0, 20.0, ""),
    ]
    root = trace.spans[0]
    assert root.kind is SpanKind.CONSUMER
    assert root.links == (SpanLink(TRACE, SPAN),)
    assert root.attributes["mobula.request_id"] == "req_1"
    assert root.attributes["mobula.job.attempts"] == 2


def test_it_is_the_same_trace_whenever_it_is_made() -> None:
    first, again = job_trace(job(), RETRIED), job_trace(job(), RETRIED)

    assert first == again
    ids = [span.span_id for span in first.spans]
    assert len(set(ids)) == len(ids)
    assert {span.trace_id for span in first.spans} == {first.trace_id}
    assert first.spans[0].links == ()


def test_a_job_that_runs_lasts_until_its_last_event() -> None:
    trace = job_trace(job("running", None), RETRIED[:4])

    assert drawn(trace.spans)[0] == ("video.clips", "", 10.0, 11.5, "")
    assert drawn(trace.spans)[-1] == ("analyse", "attempt 1", 11.2, 11.5, "")


def test_a_job_that_failed_says_why() -> None:
    problem = {"slug": "video-unreadable", "status": 422}
    ended = events((10.0, "queued", {}), (11.0, "started", {"attempt": 1}), (12.0, "failed", {}))

    trace = job_trace(job("failed", 12.0, problem=problem), ended)

    assert trace.spans[0].error == "video-unreadable"
    assert trace.spans[0].attributes["error.type"] == "video-unreadable"
    assert drawn(trace.spans)[-1] == ("attempt 1", "video.clips", 11.0, 12.0, "failed")


def test_a_job_whose_first_events_are_gone_still_has_a_trace() -> None:
    trace = job_trace(job(), RETRIED[6:])

    assert [line[0] for line in drawn(trace.spans)] == ["video.clips"]
