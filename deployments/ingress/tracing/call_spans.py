"""The spans of one model call: in the ingress, and in the replica that answered."""

from cluster.tracing import genai_names as names
from cluster.tracing.span import AttributeValue, SpanEvent, SpanKind, TraceSpan
from cluster.tracing.trace_context import TraceContext, new_span_id, parse_traceparent
from deployments.contracts.generation import ReportsAttempts
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
    made = call.call.attempts_made() if isinstance(call.call, ReportsAttempts) else ()
    replica = made[-1][1] if made else ""
    operation = names.CHAT if call.request.messages else names.TEXT_COMPLETION
    attributes = _attributes(call, operation)
    if made:
        attributes[names.ATTEMPTS] = len(made)
    if replica:
        attributes[names.REPLICA] = replica
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
            tuple(
                SpanEvent("attempt", wall_offset + sent_at, {names.REPLICA: name} if name else {})
                for sent_at, name in made
            ),
        )
    ]
    if call.timing:
        sent = wall_offset + made[-1][0] if made else begin
        process = f"Model:{model}#{replica}" if replica else ""
        spans += _replica_spans(call, spans[0], sent, process)
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
