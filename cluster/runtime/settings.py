"""Settings from the environment: `MOBULA_*` variables in, one frozen `Settings` out.

It holds secrets and addresses; the deployment graph is in serve_config.yaml. A process reads it
once, in a deployment's constructor or a command, and passes it on. Every secret may be in a file
instead, named by `MOBULA_<NAME>_FILE` (one line, UTF-8), because child processes and `docker
inspect` show the environment. Only this module reads the process environment.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cluster.runtime.installation import ROOT as ROOT
from cluster.runtime.installation import working_folder

PREFIX = "MOBULA_"
MAX_SECRET_BYTES = 1 << 16
MARKER = "MOBULA_CLUSTER_ID"  # names the cluster that a process belongs to
LOOPBACK = "127.0.0.1"
DSN = r"https?://\w+@[\w.\-:\[\]]+(?:/[\w\-]+)*/\d+"

Port = Annotated[int, Field(ge=1, le=65535)]
Words = Annotated[tuple[str, ...], NoDecode]  # `a,b,c` in the environment


class RayTlsSettings(BaseSettings):
    """Ray's own TLS between its processes: `RAY_USE_TLS` and three PEM files."""

    model_config = SettingsConfigDict(
        env_prefix="RAY_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    use_tls: bool = False
    tls_server_cert: Path | None = None
    tls_server_key: Path | None = None
    tls_ca_cert: Path | None = None


class Settings(BaseSettings):
    """All settings; the defaults are for one machine."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    # Where state is kept: keys, tokens, logs, the running cluster's record. By default `.mobula` in
    # the root of a clone, else in the working directory.
    home: Path = Field(default_factory=lambda: working_folder() / ".mobula")

    # The HTTP interface.
    host: str = "127.0.0.1"
    http_port: Port = 8000
    allowed_hosts: Words = ("*",)
    cors_origins: Words = ()
    max_body_bytes: Annotated[int, Field(ge=1024)] = 1 << 20
    max_image_body_bytes: Annotated[int, Field(ge=1024)] = 8 << 20  # where pictures may be inside
    request_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    max_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    max_concurrent_requests: Annotated[int, Field(ge=1)] = 1024  # per ingress replica
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # Traces (docs/guides/tracing.md): the part of requests whose traces are recorded in any case,
    # and the seconds from which on a request is slow, so that its trace is recorded too.
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    trace_slow_s: Annotated[float, Field(gt=0)] = 10.0

    # TLS at HAProxy: PEM files, the certificate with its chain and the key without a password. When
    # they change, the new ones are taken within a second or two, and no connection is lost.
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None

    # Networks of the proxies in front, such as `10.0.0.0/8,fd00::/8`: theirs is the only word that
    # is taken on where a request came from (X-Forwarded-For, X-Forwarded-Proto). One of them may
    # hold any number of connections, any other address so many.
    trusted_proxies: Words = ()
    connections_per_source: Annotated[int, Field(ge=1)] = 1024

    # How long a client may take to send the headers of a request, and the body of one that HAProxy
    # may repeat.
    header_timeout_s: Annotated[int, Field(ge=1, le=3600)] = 10

    # Where HAProxy's own metrics are served, without a key: for a Prometheus elsewhere, 0.0.0.0.
    metrics_host: str = LOOPBACK

    # Ray's own ports; the rest follow from `gcs_port` (see cluster/ops/ports.py).
    dashboard_port: Port = 8265
    gcs_port: Port = 6480

    # Several nodes: the address under which the others reach this one (on loopback, nothing but the
    # HTTP port listens for anybody else), and the CPUs by which Ray places replicas here (none: the
    # cores that are there; 0 keeps replicas off a head). Where the head keeps its state in a Redis,
    # it can be started again, and the cluster with it. Form: redis://user:password@host:6379, one
    # database, which nothing may evict from.
    node_address: str = LOOPBACK
    node_cpus: Annotated[int, Field(ge=0)] | None = None
    gcs_redis_url: SecretStr | None = None

    # Replaces the generated admin key of the tenant "default". Form: mob_<id>_<secret>.
    bootstrap_key: SecretStr | None = None

    # A second key of that tenant, in the same form, with the scope `metrics:read` alone, for
    # Prometheus. Changing it revokes the one before; without it none is made.
    metrics_key: SecretStr | None = None

    # Servers to stand on; without them, what is embedded: SQLite in the home, the Limiter
    # deployment. Forms: postgresql+asyncpg://user:password@host/name, redis://:password@host:6379/0,
    # for limits in a Redis Cluster redis+cluster://user:password@host-1:6379,host-2:6379
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None

    # Replaces the generated pepper in the home: the same on every node, 32 characters or more.
    # Whatever was hashed or sealed under another pepper opens no longer.
    pepper: SecretStr | None = None

    # Optional features of links (deployments/clients/link/options.py) that this process does not
    # offer: the other end then does without them, too.
    link_features_off: Words = ()

    # Set by `mobula deploy` for one model's replicas: the spec that counts instead of the args'.
    model_spec: str | None = None

    # Set by `mobula deploy` for the ingress: the names of models that count instead of the args'.
    ingress_names: str | None = None

    # How users sign in: lives of tokens in seconds.
    access_token_s: Annotated[int, Field(ge=60, le=3600)] = 900
    refresh_token_s: Annotated[int, Field(ge=600, le=90 * 86_400)] = 14 * 86_400

    # Audit records older than this are removed once a day; None keeps them for ever.
    audit_retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    # Responses of `/v1/responses` are stored for so many days after they were made or continued (0:
    # none is stored), of each tenant at most so many and so many MiB.
    responses_retention_days: Annotated[float, Field(ge=0, le=3_650)] = 30.0
    responses_per_tenant: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    responses_mib_per_tenant: Annotated[int, Field(ge=1, le=1_048_576)] = 64

    # Of each tenant at most so many prompt templates are stored, with so many versions each, and so
    # many MiB of all of them.
    templates_per_tenant: Annotated[int, Field(ge=1, le=100_000)] = 200
    versions_per_template: Annotated[int, Field(ge=1, le=100_000)] = 200
    templates_mib_per_tenant: Annotated[int, Field(ge=1, le=1_024)] = 8

    # Of each tenant at most so many posts are in the library, with so many versions each, and so
    # many MiB of all their texts. Outcomes (/api/v1/analytics/events) are stored for so many days.
    posts_per_tenant: Annotated[int, Field(ge=1, le=10_000_000)] = 200_000
    versions_per_post: Annotated[int, Field(ge=1, le=10_000)] = 200
    library_mib_per_tenant: Annotated[int, Field(ge=1, le=1_048_576)] = 1_024
    outcomes_retention_days: Annotated[int, Field(ge=36, le=3_650)] = 400

    # Of each tenant at most so many documents are stored, with so many million characters in all.
    documents_per_tenant: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    document_megachars_per_tenant: Annotated[int, Field(ge=1, le=1_048_576)] = 1_024

    # `video.sandbox` of the configuration: whether recordings are opened only where the kernel can
    # confine the process that does it (Landlock, seccomp).
    video_sandbox: Literal["required", "best-effort"] = "required"

    # Errors of all processes are reported there (cluster/logs/sentry.py); None: nowhere. Form:
    # https://<key>@<host>/<project>
    sentry_dsn: SecretStr | None = None

    # Webhooks may reach hosts in private networks (never wise on a shared network).
    webhooks_private_hosts: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, given: Any) -> Any:
        """Reads secrets from the files in `MOBULA_<NAME>_FILE`."""
        if not isinstance(given, dict):
            return given
        secrets = {}
        for name in secret_settings():
            variable = f"{PREFIX}{name.upper()}"
            path = os.environ.get(f"{variable}_FILE", "")
            if path and name in given and os.environ.get(variable):
                raise ValueError(f"{variable} and {variable}_FILE are both set: keep one of them")
            if path and name not in given:
                secrets[name] = _read_secret(Path(path), f"{variable}_FILE")
        return {**given, **secrets}

    @field_validator(
        "allowed_hosts", "cors_origins", "trusted_proxies", "link_features_off", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(each)) for each in value)

    @model_validator(mode="after")
    def _check_tls_files(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("MOBULA_TLS_CERT_FILE and MOBULA_TLS_KEY_FILE go together")
        return self

    @field_validator("pepper")
    @classmethod
    def _check_pepper_length(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("a pepper must have 32 characters or more")
        return value

    @field_validator("sentry_dsn")
    @classmethod
    def _check_dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(DSN, value.get_secret_value()):
            raise ValueError("a Sentry DSN is of the form https://<key>@<host>/<project>")
        return value

    @field_validator("home")
    @classmethod
    def _make_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()


def secret_settings() -> tuple[str, ...]:
    """Names of the secret settings."""
    return tuple(
        name
        for name, field in Settings.model_fields.items()
        if SecretStr in getattr(field.annotation, "__args__", (field.annotation,))
    )


def _read_secret(path: Path, variable: str) -> str:
    """The only line of a file. Raises ValueError with the variable, without the content."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        text = content.decode().strip()
    except OSError as error:
        raise ValueError(f"{variable}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{variable}: {path} is not UTF-8 text") from None
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"{variable}: {path} is larger than {MAX_SECRET_BYTES} bytes")
    if not text:
        raise ValueError(f"{variable}: {path} is empty")
    if len(text.splitlines()) > 1:
        raise ValueError(f"{variable}: {path} holds several lines")
    return text


def process_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with `changes` applied, for a child process."""
    return {**os.environ, **(changes or {})}


def in_ci() -> bool:
    """Whether this is CI, where a missing server fails a test instead of skipping it."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")
