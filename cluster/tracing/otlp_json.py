"""Spans as OTLP in JSON: the body of a POST to a collector's `/v1/traces`.

Format: OpenTelemetry Protocol 1.x, JSON encoding (protobuf's JSON mapping, but ids in hexadecimal,
and enumerations as numbers). 64-bit integers are text there.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from cluster.runtime.version import VERSION
from cluster.tracing.genai_names import SERVICE_INSTANCE
from cluster.tracing.span import Attributes, AttributeValue, TraceSpan

SCOPE = "mobula"
_STATUS_ERROR = 2
_FLAGS = 1  # sampled


def encode_spans(spans: Iterable[TraceSpan], resource: Attributes) -> bytes:
    """One resource for each process that the spans name; `resource` is that of this process."""
    by_process: dict[str, list[TraceSpan]] = {}
    for span in spans:
        by_process.setdefault(span.process, []).append(span)
    scope = {"name": SCOPE, "version": VERSION}
    return orjson.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": encode_attributes(_resource_of(process, resource))},
                    "scopeSpans": [{"scope": scope, "spans": [*map(_span, group)]}],
                }
                for process, group in by_process.items()
            ]
        }
    )


def _resource_of(process: str, resource: Attributes) -> Attributes:
    return {**resource, SERVICE_INSTANCE: process} if process else resource


def _span(span: TraceSpan) -> Mapping[str, Any]:
    encoded: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "flags": _FLAGS,
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": nanoseconds(span.start),
        "endTimeUnixNano": nanoseconds(span.end),
        "attributes": encode_attributes(span.attributes),
    }
    if span.parent_id:
        encoded["parentSpanId"] = span.parent_id
    if span.events:
        encoded["events"] = [
            {
                "timeUnixNano": nanoseconds(event.at),
                "name": event.name,
                "attributes": encode_attributes(event.attributes),
            }
            for event in span.events
        ]
    if span.links:
        encoded["links"] = [
            {"traceId": link.trace_id, "spanId": link.span_id} for link in span.links
        ]
    if span.error:
        encoded["status"] = {"code": _STATUS_ERROR, "message": span.error}
    return encoded


def nanoseconds(seconds: float) -> str:
    """Unix nanoseconds in decimal."""
    return str(round(seconds * 1e6) * 1_000)  # a float has no more digits


def encode_attributes(attributes: Attributes) -> Sequence[Mapping[str, Any]]:
    """As OTLP has them, for other signals too."""
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: AttributeValue) -> Mapping[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [_value(each) for each in value]}}
