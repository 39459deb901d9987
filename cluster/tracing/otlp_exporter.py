"""Exports recorded spans to a collector (otlp_sender.py)."""

from collections.abc import Sequence
from typing import Any

from cluster.runtime.version import VERSION
from cluster.tracing.genai_names import SERVICE_INSTANCE, SERVICE_NAME, SERVICE_VERSION
from cluster.tracing.otlp_json import encode_spans
from cluster.tracing.otlp_sender import OtlpSender
from cluster.tracing.otlp_settings import OtlpSettings, OtlpTarget
from cluster.tracing.span import Attributes, TraceSpan


def span_exporter(
    settings: OtlpSettings, target: OtlpTarget, process: str, **options: Any
) -> OtlpSender[TraceSpan]:
    """`process` names this replica; `options` are the sender's."""
    resource = resource_attributes(settings, process)

    def encode(spans: Sequence[TraceSpan]) -> bytes:
        return encode_spans(spans, resource)

    return OtlpSender(target, encode, **options)


def resource_attributes(settings: OtlpSettings, process: str) -> Attributes:
    """What describes this process to a collector."""
    return {
        **settings.resource,
        SERVICE_NAME: settings.service_name or settings.resource.get(SERVICE_NAME, "mobula"),
        SERVICE_VERSION: VERSION,
        SERVICE_INSTANCE: process,
    }
