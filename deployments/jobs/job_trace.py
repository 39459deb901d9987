"""The trace of one job, from its events: whichever workers ran it, and however often.

    video.clips                CONSUMER, from the order to the end; linked to the order's span
      wait                     queued, at first and before each further attempt
      attempt 1                INTERNAL
        <stage>                as the handler reports them

In: a job and its events. Out: spans. Their ids follow from the job's id and the numbers of events,
so the trace that is exported when the job ends is the one that is shown later. A job keeps its last
1,000 events: of one with more, the first stages are missing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.tracing import genai_names as names
from cluster.tracing.span import AttributeValue, RecordedTrace, SpanKind, SpanLink, TraceSpan
from cluster.tracing.trace_context import TraceContext, parse_traceparent
from deployments.contracts.jobs import ENDED, Job, JobEvent

JOB, JOB_KIND, JOB_STATE = "mobula.job", "mobula.job.kind", "mobula.job.state"
JOB_ATTEMPTS = "mobula.job.attempts"
REASON = "job"
_ATTEMPT_FAILED = "retrying"
_NEXT_ATTEMPT = frozenset(("queued", _ATTEMPT_FAILED))


def job_span(job: str) -> TraceContext:
    """The outermost span of a job's trace, by its id. Every job has a trace."""
    digest = hashlib.sha256(job.encode()).hexdigest()
    return TraceContext(digest[:32], digest[32:48], is_sampled=True)


def job_trace(job: Job, events: Sequence[JobEvent]) -> RecordedTrace:
    """`events` in order. A span that has not ended yet lasts until the last event."""
    span = job_span(job.id)
    builder = _SpanBuilder(trace_id=span.trace_id, root_id=span.span_id)
    for event in events:
        builder.add(event)
    end = job.ended or (events[-1].at if events else job.created)
    builder.close(end)
    slug = "" if job.problem is None else str(job.problem.get("slug", "failed"))
    attributes: dict[str, AttributeValue] = {
        JOB: job.id,
        JOB_KIND: job.kind,
        JOB_STATE: job.state,
        JOB_ATTEMPTS: job.attempts,
        names.TENANT: job.tenant,
        names.KEY_ID: job.key,
        names.REQUEST_ID: job.request_id,
        names.PRIORITY: str(job.priority),
    }
    failed = job.state == "failed"
    if failed:
        attributes[names.ERROR_TYPE] = slug
    order = parse_traceparent(job.trace.encode())
    root = TraceSpan(
        job.kind,
        builder.trace_id,
        builder.root_id,
        "",
        job.created,
        end,
        SpanKind.CONSUMER,
        attributes,
        slug if failed else "",
        links=() if order is None else (SpanLink(order.trace_id, order.span_id),),
    )
    return RecordedTrace(job.id, job.tenant, REASON, (root, *builder.spans))


@dataclass(slots=True)
class _OpenSpan:
    name: str
    span_id: str
    parent_id: str
    start: float


@dataclass(slots=True)
class _SpanBuilder:
    """At most one wait or attempt is open, and in an attempt at most one stage."""

    trace_id: str
    root_id: str
    spans: list[TraceSpan] = field(default_factory=list)
    _outer: _OpenSpan | None = None
    _stage: _OpenSpan | None = None

    def add(self, event: JobEvent) -> None:
        data = event.data
        if event.kind in _NEXT_ATTEMPT:
            reason = str(data.get("reason", "")) if event.kind == _ATTEMPT_FAILED else ""
            self.close(event.at, reason)
            self._outer = self._open("wait", event, self.root_id)
        elif event.kind == "started":
            self.close(event.at)
            self._outer = self._open(f"attempt {data.get('attempt', '')}", event, self.root_id)
        elif event.kind == "progress" and self._outer is not None:
            stage = str(data.get("stage", ""))
            if stage and (self._stage is None or self._stage.name != stage):
                self._end(self._stage, event.at)
                self._stage = self._open(stage, event, self._outer.span_id)
        elif event.kind in ENDED:
            self.close(event.at, event.kind if event.kind == "failed" else "")

    def close(self, at: float, error: str = "") -> None:
        """Ends what is open."""
        self._end(self._stage, at, error)
        self._end(self._outer, at, error)
        self._stage = self._outer = None

    def _open(self, name: str, event: JobEvent, parent_id: str) -> _OpenSpan:
        key = f"{self.trace_id}/{event.seq}/{name}"
        span_id = hashlib.sha256(key.encode()).hexdigest()[:16]
        return _OpenSpan(name, span_id, parent_id, event.at)

    def _end(self, span: _OpenSpan | None, at: float, error: str = "") -> None:
        if span is not None:
            self.spans.append(
                TraceSpan(
                    span.name, self.trace_id, span.span_id, span.parent_id, span.start, at,
                    error=error,
                )
            )  # fmt: skip
