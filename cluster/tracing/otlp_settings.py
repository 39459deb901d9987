"""Where traces and logs are exported to: the variables `OTEL_*` of OpenTelemetry's specification.

In: the environment. Out: the collector's URL, headers, timeout; how this process is named. The
variable for traces or logs alone counts before the common one. Unlike there, logs are exported only
if OTEL_LOGS_EXPORTER says so: a collector of traces need not be one of logs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Compression = Literal["none", "gzip"]
Signal = Literal["traces", "logs"]
Milliseconds = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class OtlpTarget:
    """Where one signal goes. `certificate` is a PEM file of the authority of the collector's."""

    signal: Signal
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = 10.0
    compression: Compression = "none"
    certificate: Path | None = None


class OtlpSettings(BaseSettings):
    """Lists are `name=value,name=value`; values are percent-encoded."""

    model_config = SettingsConfigDict(
        env_prefix="OTEL_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    sdk_disabled: bool = False
    service_name: str = ""
    resource_attributes: str = ""
    traces_exporter: str = "otlp"  # a list; otlp is the only one of it that Mobula has
    logs_exporter: str = "none"
    exporter_otlp_endpoint: str | None = None  # `/v1/traces` or `/v1/logs` is appended
    exporter_otlp_traces_endpoint: str | None = None  # the whole URL
    exporter_otlp_logs_endpoint: str | None = None
    exporter_otlp_headers: SecretStr | None = None
    exporter_otlp_traces_headers: SecretStr | None = None
    exporter_otlp_logs_headers: SecretStr | None = None
    exporter_otlp_timeout: Milliseconds = 10_000.0
    exporter_otlp_traces_timeout: Milliseconds | None = None
    exporter_otlp_logs_timeout: Milliseconds | None = None
    exporter_otlp_compression: Compression = "none"
    exporter_otlp_traces_compression: Compression | None = None
    exporter_otlp_logs_compression: Compression | None = None
    exporter_otlp_certificate: Path | None = None
    exporter_otlp_traces_certificate: Path | None = None
    exporter_otlp_logs_certificate: Path | None = None

    def target(self, signal: Signal) -> OtlpTarget | None:
        """None: nothing of this signal is exported."""

        def chosen(name: str) -> Any:
            own = getattr(self, f"exporter_otlp_{signal}_{name}")
            return getattr(self, f"exporter_otlp_{name}") if own is None else own

        exporters = getattr(self, f"{signal}_exporter").split(",")
        if self.sdk_disabled or "otlp" not in map(str.strip, exporters):
            return None
        url, base = getattr(self, f"exporter_otlp_{signal}_endpoint"), self.exporter_otlp_endpoint
        if url is None and base is None:
            return None
        headers: SecretStr | None = chosen("headers")
        return OtlpTarget(
            signal,
            url or f"{str(base).rstrip('/')}/v1/{signal}",
            {} if headers is None else _pairs(headers.get_secret_value()),
            chosen("timeout") / 1_000,
            chosen("compression"),
            chosen("certificate"),
        )

    @property
    def resource(self) -> dict[str, str]:
        return _pairs(self.resource_attributes)


def _pairs(text: str) -> dict[str, str]:
    """What has no name or no `=` is left out."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, sep, value in pairs if sep and name}
