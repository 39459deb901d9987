"""Where traces are exported to: the variables `OTEL_*` of OpenTelemetry's specification.

In: the environment. Out: the collector's URL, headers, timeout; how this process is named. The
variable for traces alone counts before the common one.
"""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Compression = Literal["none", "gzip"]
Milliseconds = Annotated[float, Field(gt=0)]


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
    exporter_otlp_endpoint: str | None = None  # `/v1/traces` is appended
    exporter_otlp_traces_endpoint: str | None = None  # the whole URL
    exporter_otlp_headers: SecretStr | None = None
    exporter_otlp_traces_headers: SecretStr | None = None
    exporter_otlp_timeout: Milliseconds = 10_000.0
    exporter_otlp_traces_timeout: Milliseconds | None = None
    exporter_otlp_compression: Compression = "none"
    exporter_otlp_traces_compression: Compression | None = None
    exporter_otlp_certificate: Path | None = None
    exporter_otlp_traces_certificate: Path | None = None

    @property
    def traces_url(self) -> str | None:
        """None: nothing is exported."""
        if self.sdk_disabled:
            return None
        if self.exporter_otlp_traces_endpoint is not None:
            return self.exporter_otlp_traces_endpoint
        base = self.exporter_otlp_endpoint
        return None if base is None else f"{base.rstrip('/')}/v1/traces"

    @property
    def header_fields(self) -> dict[str, str]:
        chosen = self.exporter_otlp_traces_headers or self.exporter_otlp_headers
        return {} if chosen is None else _pairs(chosen.get_secret_value())

    @property
    def resource(self) -> dict[str, str]:
        return _pairs(self.resource_attributes)

    @property
    def timeout_s(self) -> float:
        return (self.exporter_otlp_traces_timeout or self.exporter_otlp_timeout) / 1_000

    @property
    def compression(self) -> Compression:
        return self.exporter_otlp_traces_compression or self.exporter_otlp_compression

    @property
    def certificate(self) -> Path | None:
        return self.exporter_otlp_traces_certificate or self.exporter_otlp_certificate


def _pairs(text: str) -> dict[str, str]:
    """What has no name or no `=` is left out."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, sep, value in pairs if sep and name}
