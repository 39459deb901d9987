"""Exported spans, as OpenTelemetry's own protocol buffers and its SDK understand them."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, Status, StatusCode
from opentelemetry.trace import SpanKind as SdkKind

from cluster.tracing.otlp_json import encode_spans
from cluster.tracing.span import SpanEvent, SpanKind, SpanLink, TraceSpan
from load_tests.benchmarks.common.otlp_receiver import parse_otlp, plain_value

ATTRIBUTES = {
    "text": "a \u00e4",
    "whole": 2**53 + 1,
    "part": 0.25,
    "yes": True,
    "words": ["a", "b"],
}


def decoded(body: bytes) -> ExportTraceServiceRequest:
    message = parse_otlp("/v1/traces", body)
    assert isinstance(message, ExportTraceServiceRequest)
    return message


def sdk_span() -> ReadableSpan:
    """One span as the SDK makes it, with everything that a span can have."""
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("mobula")
    cause = tracer.start_span("cause")
    span = tracer.start_span(
        "chat nano",
        kind=SdkKind.CLIENT,
        attributes=ATTRIBUTES,
        links=[Link(cause.get_span_context())],
        start_time=1_700_000_000_250_000_000,
    )
    span.add_event("attempt", {"mobula.replica": "r1"}, timestamp=1_700_000_000_500_000_000)
    span.set_status(Status(StatusCode.ERROR, "model-failed"))
    span.end(1_700_000_001_000_000_000)
    [finished] = memory.get_finished_spans()
    return finished


def test_a_span_says_what_the_span_of_the_sdk_says() -> None:
    theirs = sdk_span()
    [link] = theirs.links
    ours = TraceSpan(
        "chat nano",
        f"{theirs.context.trace_id:032x}",
        f"{theirs.context.span_id:016x}",
        "",
        1_700_000_000.25,
        1_700_000_001.0,
        SpanKind.CLIENT,
        ATTRIBUTES,
        "model-failed",
        (SpanEvent("attempt", 1_700_000_000.5, {"mobula.replica": "r1"}),),
        (SpanLink(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}"),),
    )

    [resource] = decoded(encode_spans([ours], {"service.name": "mobula"})).resource_spans
    [span] = resource.scope_spans[0].spans

    assert span.trace_id == theirs.context.trace_id.to_bytes(16)
    assert span.span_id == theirs.context.span_id.to_bytes(8)
    assert span.parent_span_id == b""
    assert span.name == theirs.name
    assert span.kind == trace_pb2.Span.SpanKind.SPAN_KIND_CLIENT
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (
        theirs.start_time,
        theirs.end_time,
    )
    assert theirs.attributes is not None
    assert {each.key: plain_value(each.value) for each in span.attributes} == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in theirs.attributes.items()
    }
    assert span.status.code == trace_pb2.Status.StatusCode.STATUS_CODE_ERROR
    assert span.status.message == theirs.status.description
    assert [event.name for event in span.events] == [event.name for event in theirs.events]
    assert span.events[0].time_unix_nano == theirs.events[0].timestamp
    assert span.links[0].trace_id == link.context.trace_id.to_bytes(16)
    assert span.links[0].span_id == link.context.span_id.to_bytes(8)


def test_the_kinds_have_the_numbers_of_the_protocol() -> None:
    kinds = trace_pb2.Span.SpanKind.items()

    assert {f"SPAN_KIND_{kind.name}": kind.value for kind in SpanKind} == {
        name: number for name, number in kinds if number
    }


def test_work_of_other_processes_is_under_resources_of_its_own() -> None:
    own = TraceSpan("a", "1" * 32, "1" * 16, "", 1.0, 2.0)
    other = TraceSpan("b", "1" * 32, "2" * 16, "1" * 16, 1.0, 2.0, process="Model:nano#x")

    message = decoded(
        encode_spans([own, other], {"service.name": "m", "service.instance.id": "ingress-1"})
    )

    assert [
        (
            {each.key: plain_value(each.value) for each in group.resource.attributes},
            [span.name for span in group.scope_spans[0].spans],
        )
        for group in message.resource_spans
    ] == [
        ({"service.name": "m", "service.instance.id": "ingress-1"}, ["a"]),
        ({"service.name": "m", "service.instance.id": "Model:nano#x"}, ["b"]),
    ]
    assert message.resource_spans[1].scope_spans[0].spans[0].parent_span_id == b"\x11" * 8
