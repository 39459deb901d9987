"""The exporter of a process, if the environment names a collector."""

import os
import socket

from cluster.tracing.otlp_settings import OtlpSettings
from cluster.tracing.tracer import SpanExporter


def configured_exporter(kind: str) -> SpanExporter | None:
    """That of this process, which is one of a `kind`. Without a collector nothing is loaded."""
    settings = OtlpSettings()
    if settings.traces_url is None:
        return None
    from cluster.tracing.otlp_exporter import OtlpExporter

    return OtlpExporter(settings, f"{kind}-{socket.gethostname()}-{os.getpid()}")
