"""The exporter of a process's spans, if the environment names a collector."""

import os
import socket
from typing import TYPE_CHECKING

from cluster.tracing.otlp_settings import OtlpSettings
from cluster.tracing.span import TraceSpan

if TYPE_CHECKING:
    from cluster.tracing.otlp_sender import OtlpSender


def configured_exporter(kind: str) -> "OtlpSender[TraceSpan] | None":
    """That of this process, which is one of a `kind`. Without a collector nothing is loaded."""
    settings = OtlpSettings()
    target = settings.target("traces")
    if target is None:
        return None
    from cluster.tracing.otlp_exporter import span_exporter

    return span_exporter(settings, target, process_name(kind))


def process_name(kind: str) -> str:
    """What tells this process from others to a collector."""
    return f"{kind}-{socket.gethostname()}-{os.getpid()}"
