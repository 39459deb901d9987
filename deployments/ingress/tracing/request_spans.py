"""The spans of one request, made when it has ended.

    POST /v1/chat/completions            SERVER
      authenticate | admit | cache.lookup or prepare (operation: no model is called) | respond
      guardrails, reserve                parts of those stages
      chat nano                          CLIENT, one for each model call
        attempt 1, attempt 2             where there were several, or at a provider
        generate nano                    in the replica: queue | prefill | decode

In: times that were taken while it ran. Out: spans. The stages of a request follow each other
without a gap: each ends where the next one begins. A replica reports durations only, as machines do
not share a clock: its spans lie in the middle of the call. No prompt and no answer is in any span.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

from cluster.runtime.logging import redact
from cluster.tenants.caller import Caller
from cluster.tracing import genai_names as names
from cluster.tracing.span import AttributeValue, SpanKind, TraceSpan
from cluster.tracing.trace_context import TraceContext, new_span_id
from deployments.ingress.context import ModelWaitTimer, RequestContext, RequestState
from deployments.ingress.tracing.call_spans import call_spans

MAX_PATH = 2_048  # characters of a path


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRequest:
    """What is known of a request that has ended. `started_at` is on the monotonic clock. By HTTP it
    has a `scope` and a `status`; by handle neither. `cache` is the tier that answered it on the
    fast path."""

    trace: TraceContext
    name: str
    started_at: float
    elapsed_s: float
    request_id: str
    timer: ModelWaitTimer
    caller: Caller | None = None
    context: RequestContext | None = None
    problem: str | None = None
    is_failed: bool = False
    scope: Scope | None = None
    status: int = 0
    is_clients_id: bool = False
    cache: str = ""


def request_spans(facts: EndedRequest, wall_offset: float, reason: str) -> tuple[TraceSpan, ...]:
    """The request's own span first. `wall_offset` is what the monotonic clock lacks to Unix time.
    `reason` is why it is recorded."""
    trace, begin = facts.trace, wall_offset + facts.started_at
    root = TraceSpan(
        facts.name,
        trace.trace_id,
        trace.span_id,
        trace.parent_id,
        begin,
        begin + facts.elapsed_s,
        SpanKind.SERVER,
        {**_attributes(facts), names.RECORDED: reason},
        (facts.problem or str(facts.status)) if facts.is_failed else "",
    )
    stages = _stages(facts, wall_offset)
    spans = [root, *stages, *_parts(facts, stages, wall_offset)]
    for call in facts.timer.calls:
        spans += call_spans(call, trace, wall_offset, root.end)
    return tuple(spans)


def route_of(scope: Scope, state: RequestState) -> str:
    """The template of the path; empty for a path that no route has."""
    route: Any = scope.get("route")
    if route is not None:
        return str(getattr(route, "path", ""))
    return scope["path"] if state.context is not None else ""  # operations have exact paths


def _stages(facts: EndedRequest, wall_offset: float) -> list[TraceSpan]:
    """Of a request that came at least as far as its authentication."""
    timer, end = facts.timer, facts.started_at + facts.elapsed_s
    if not timer.authenticated_at:
        return []
    calls = timer.calls
    has_outcomes = bool(_outcomes(facts))
    marks = [("authenticate", timer.authenticated_at), ("admit", timer.admitted_at or end)]
    if timer.admitted_at:
        first = min((call.opened_at for call in calls), default=end)
        before = "cache.lookup" if has_outcomes else "prepare" if calls else "operation"
        marks.append((before, first))
        if calls:
            answered = max(call.ended_at or end for call in calls)
            marks += [("", answered), ("respond", end)]
    spans, since = [], facts.started_at
    for name, until in marks:
        if name and until > since:
            spans.append(
                TraceSpan(
                    name,
                    facts.trace.trace_id,
                    new_span_id(),
                    facts.trace.span_id,
                    wall_offset + since,
                    wall_offset + until,
                )
            )
        since = max(since, until)
    return spans


def _parts(
    facts: EndedRequest, stages: Sequence[TraceSpan], wall_offset: float
) -> Iterator[TraceSpan]:
    """Parts of the work that noted themselves, each below the stage in which it began."""
    trace = facts.trace
    for name, since, until in facts.timer.stages or ():
        begin = wall_offset + since
        around = [stage.span_id for stage in stages if stage.start <= begin <= stage.end]
        parent = around[-1] if around else trace.span_id
        yield TraceSpan(name, trace.trace_id, new_span_id(), parent, begin, wall_offset + until)


def _outcomes(facts: EndedRequest) -> list[str]:
    """How the cache answered each model call: the tier of a hit, or why it was none."""
    admitted = None if facts.context is None else facts.context.admitted
    outcomes = () if admitted is None else admitted.outcomes
    return [
        outcome.detail if outcome.forwarded is None else str(outcome.forwarded)
        for outcome in outcomes
    ]


def _attributes(facts: EndedRequest) -> dict[str, AttributeValue]:
    request_id = redact(facts.request_id) if facts.is_clients_id else facts.request_id
    attributes: dict[str, AttributeValue] = {names.REQUEST_ID: request_id}
    scope = facts.scope
    if scope is not None:
        attributes[names.HTTP_METHOD] = scope["method"]
        attributes[names.HTTP_STATUS] = facts.status
        attributes[names.URL_PATH] = redact(scope["path"][:MAX_PATH])
        route = facts.name.partition(" ")[2]
        if route:
            attributes[names.HTTP_ROUTE] = route
    if facts.caller is not None:
        attributes[names.TENANT] = facts.caller.tenant
        attributes[names.KEY_ID] = facts.caller.key_id
    if facts.context is not None:
        attributes[names.PRIORITY] = str(facts.context.priority)
    admitted = None if facts.context is None else facts.context.admitted
    lists = {
        names.CACHE: [facts.cache] if facts.cache else _outcomes(facts),
        names.FALLBACKS: [] if admitted is None else admitted.fallbacks,
    }
    attributes |= {
        name: ",".join(dict.fromkeys(values)) for name, values in lists.items() if values
    }
    if facts.problem is not None or facts.is_failed:
        attributes[names.ERROR_TYPE] = facts.problem or str(facts.status)
    return attributes
