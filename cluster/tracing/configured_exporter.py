"""The exporter of a process, if the environment names a collector."""

import os
import socket
from typing import TYPE_CHECKING

from cluster.tracing.otlp_settings import OtlpSettings

if TYPE_CHECKING:
    from cluster.tracing.otlp_exporter import OtlpExporter


def configured_exporter(kind: str) -> "OtlpExporter | None":
    """That of this process, which is one of a `kind`. Without a collector nothing is loaded."""
    settings = OtlpSettings()
    if settings.traces_url is None:
        return None
    from cluster.tracing.otlp_exporter import OtlpExporter

    return OtlpExporter(settings, f"{kind}-{socket.gethostname()}-{os.getpid()}")
