"""The spans of one model call: in the ingress, and in the replica that answered."""

import math
from collections.abc import Sequence

from cluster.tracing import genai_names as names
from cluster.tracing.span import AttributeValue, SpanKind, TraceSpan
from cluster.tracing.trace_context import TraceContext, new_span_id, parse_traceparent
from deployments.contracts.text_generator import MadeAttempt, ReportsAttempts
from deployments.ingress.context import TimedCall, TimedEncoderCall

_STAGES = ("queue", "prefill", "decode")


def call_spans(
    call: TimedCall | TimedEncoderCall, trace: TraceContext, wall_offset: float, ends: float
) -> list[TraceSpan]:
    """The call's own span first, below the request's. `ends` is when the request ended: a call that
    goes on for others ends there, in this trace. Times in Unix seconds."""
    if isinstance(call, TimedEncoderCall):
        return [_encoder_span(call, trace, wall_offset, ends)]
    return _text_spans(call, trace, wall_offset, ends)


def _encoder_span(
    call: TimedEncoderCall, trace: TraceContext, wall_offset: float, ends: float
) -> TraceSpan:
    own = parse_traceparent(call.trace.encode())
    attributes: dict[str, AttributeValue] = {
        names.OPERATION_NAME: call.operation,
        names.PROVIDER_NAME: names.MOBULA,
        names.REQUEST_MODEL: call.model,
        names.USAGE_INPUT_TOKENS: call.tokens,
    }
    if call.error:
        attributes[names.ERROR_TYPE] = call.error
    return TraceSpan(
        f"{call.operation} {call.model}",
        trace.trace_id,
        new_span_id() if own is None else own.span_id,
        trace.span_id,
        wall_offset + call.opened_at,
        wall_offset + call.ended_at if call.ended_at else ends,
        SpanKind.CLIENT,
        attributes,
        call.error,
    )


def _text_spans(
    call: TimedCall, trace: TraceContext, wall_offset: float, ends: float
) -> list[TraceSpan]:
    own = parse_traceparent(call.request.trace.encode())
    span_id = new_span_id() if own is None else own.span_id
    begin = wall_offset + call.opened_at
    end = max(begin, wall_offset + call.ended_at if call.ended_at else ends)
    reports = call.call if isinstance(call.call, ReportsAttempts) else None
    made = () if reports is None else reports.attempts_made()
    place = names.REPLICA if reports is None or not reports.provider else names.UPSTREAM
    open_ones = [attempt for attempt in made if not attempt.ended_at]
    answered = next(iter(open_ones or made[-1:]), None)
    target = "" if answered is None else answered.target
    operation = names.CHAT if call.request.messages else names.TEXT_COMPLETION
    attributes = _attributes(call, operation)
    if made:
        attributes[names.ATTEMPTS] = len(made)
    if target:
        attributes[place] = target
    if reports is not None and reports.provider:
        attributes[names.PROVIDER_NAME] = reports.provider
    model = call.request.model
    spans = [
        TraceSpan(
            f"{operation} {model}",
            trace.trace_id,
            span_id,
            trace.span_id,
            begin,
            end,
            SpanKind.CLIENT,
            attributes,
            call.error,
        )
    ]
    parent = spans[0]
    if len(made) > 1 or place == names.UPSTREAM:
        attempts = _attempt_spans(made, parent, wall_offset, place)
        spans += attempts
        if answered is not None:
            parent = attempts[made.index(answered)]
    if call.timing:
        sent = begin if answered is None else wall_offset + answered.sent_at
        process = f"Model:{model}#{target}" if target else ""
        spans += _replica_spans(call, parent, sent, process)
    return spans


def _attempt_spans(
    made: Sequence[MadeAttempt], call: TraceSpan, wall_offset: float, place: str
) -> list[TraceSpan]:
    """One that was sent while all before it were open is a hedge, a later one a retry."""
    spans = []
    for number, attempt in enumerate(made):
        ends = [before.ended_at or math.inf for before in made[:number]]
        kind = "first" if not ends else "hedge" if max(ends) > attempt.sent_at else "retry"
        attributes: dict[str, AttributeValue] = {names.ATTEMPT_KIND: kind}
        if attempt.target:
            attributes[place] = attempt.target
        if attempt.error:
            attributes[names.ERROR_TYPE] = attempt.error
        begin = max(call.start, wall_offset + attempt.sent_at)
        end = wall_offset + attempt.ended_at if attempt.ended_at else call.end
        spans.append(
            TraceSpan(
                f"attempt {number + 1}",
                call.trace_id,
                new_span_id(),
                call.span_id,
                begin,
                max(begin, end),
                SpanKind.CLIENT,
                attributes,
                attempt.error,
            )
        )
    return spans


def _attributes(call: TimedCall, operation: str) -> dict[str, AttributeValue]:
    request, sampling, usage = call.request, call.request.sampling, call.usage
    attributes: dict[str, AttributeValue] = {
        names.OPERATION_NAME: operation,
        names.PROVIDER_NAME: names.MOBULA,
        names.REQUEST_MODEL: request.model,
        names.RESPONSE_MODEL: request.model,
        names.USAGE_INPUT_TOKENS: usage.prompt_tokens,
        names.USAGE_OUTPUT_TOKENS: usage.completion_tokens,
        names.USAGE_CACHED_TOKENS: usage.cached_tokens,
        names.REQUEST_TEMPERATURE: float(sampling.temperature),
        names.REQUEST_TOP_P: float(sampling.top_p),
        names.PRIORITY: str(request.priority),
    }
    if request.n > 1:
        attributes[names.REQUEST_CHOICES] = request.n
    if sampling.seed is not None:
        attributes[names.REQUEST_SEED] = sampling.seed
    if sampling.max_tokens is not None:
        attributes[names.REQUEST_MAX_TOKENS] = sampling.max_tokens
    if call.finish_reasons:
        attributes[names.RESPONSE_FINISH_REASONS] = call.finish_reasons
    if call.answered_at is not None:
        attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK] = call.answered_at - call.opened_at
    if call.error:
        attributes[names.ERROR_TYPE] = call.error
    return attributes


def _replica_spans(
    call: TimedCall, parent: TraceSpan, sent: float, process: str
) -> list[TraceSpan]:
    durations = [max(0.0, seconds) for seconds in call.timing[: len(_STAGES)]]
    total = sum(durations)
    begin = sent + max(0.0, parent.end - sent - total) / 2  # the way there and back
    attributes: dict[str, AttributeValue] = {
        names.REQUEST_MODEL: call.request.model,
        names.USAGE_INPUT_TOKENS: call.usage.prompt_tokens,
        names.USAGE_OUTPUT_TOKENS: call.usage.completion_tokens,
    }
    whole = TraceSpan(
        f"generate {call.request.model}",
        parent.trace_id,
        new_span_id(),
        parent.span_id,
        begin,
        begin + total,
        SpanKind.SERVER,
        attributes,
        process=process,
    )
    spans, since = [whole], begin
    for name, seconds in zip(_STAGES, durations, strict=False):
        spans.append(
            TraceSpan(
                name,
                parent.trace_id,
                new_span_id(),
                whole.span_id,
                since,
                since + seconds,
                process=process,
            )
        )
        since += seconds
    return spans
