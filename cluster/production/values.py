"""What a platform team says about its installation: the typed form of a values file.

Flows in: YAML. Flows out: frozen `Values`, or `InvalidValues` that names each field and what is
wrong with it. Holds names of secrets and of the keys in them, and never a secret.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cluster.metrics.catalogue.generation import TIME_TO_FIRST_TOKEN
from cluster.ops.environment import LONGEST_STREAM_S
from cluster.production.alerts.rule import RUNBOOKS
from cluster.production.alerts.slo import Objectives
from cluster.runtime.version import VERSION

# A label of a DNS name, short enough that what KubeRay appends still fits.
Name = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
SecretKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
Image = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._/:@-]{0,250}$")]
OBJECTIVES = Objectives()
FIRST_TOKEN_BOUNDS = TIME_TO_FIRST_TOKEN.buckets
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
Count = Annotated[int, Field(ge=0, le=10_000)]
Cpus = Annotated[int, Field(ge=1, le=1024)]
Gib = Annotated[int, Field(ge=1, le=65_536)]
Percent = Annotated[int, Field(ge=1, le=100)]
ObjectStore = Annotated[str, Field(pattern=r"^(s3|gs|az|azure|https?)://[^\s@]+$", max_length=900)]
Folder = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)+$", max_length=200)]
Address = Annotated[str, Field(pattern=r"^(rediss?://)?[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]


class InvalidValues(ValueError):
    """The values, or the Serve configuration, cannot be rendered; written for the operator."""


class _ValuesModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Secrets(_ValuesModel):
    """Where Kubernetes keeps what is secret: names of Secrets, and of the keys in `name`.

    A Secret without `metrics_key` makes no key for Prometheus, one without `sentry_dsn` reports to
    no Sentry. `ray` holds Ray's cluster token
    under `auth_token`. The keys of `object_store` become environment variables as the store's
    vendor names them (AWS_ACCESS_KEY_ID, ...); None: the pods' service account may use the store.
    `tls` is a Secret of type kubernetes.io/tls; None: pods speak plain HTTP, to whatever terminates
    TLS in front of them.
    """

    name: Name = "mobula"
    database_url: SecretKey = "database-url"
    redis_url: SecretKey = "redis-url"
    pepper: SecretKey = "pepper"
    bootstrap_key: SecretKey = "bootstrap-key"
    metrics_key: SecretKey = "metrics-key"
    sentry_dsn: SecretKey = "sentry-dsn"
    gcs_redis_password: SecretKey | None = "gcs-redis-password"
    ray: Name = "mobula-ray"
    object_store: Name | None = None
    tls: Name | None = None


class Resources(_ValuesModel):
    """What a pod asks for and may use; Ray counts its CPUs."""

    cpus: Cpus = 4
    memory_gib: Gib = 16


class Head(Resources):
    """Ray's head. Replicas never run there."""

    cpus: Cpus = 2
    memory_gib: Gib = 8


class Workers(Resources):
    """A group of equal nodes between `min` and `max`; Ray's autoscaler chooses the number."""

    min: Count = 2
    max: Count = 4
    node_selector: dict[str, str] = {}

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        if self.max < max(1, self.min):
            raise ValueError(
                f"max, {self.max}, must be at least 1 and no less than min, {self.min}"
            )
        return self


class GpuWorkers(Workers):
    """The same with `gpus` NVIDIA GPUs in each pod and the GPU image."""

    image: Image = f"mobula:{VERSION}-gpu"
    gpus: Annotated[int, Field(ge=1, le=16)] = 1
    cpus: Cpus = 8
    memory_gib: Gib = 48
    min: Count = 0
    max: Count = 1


class Upgrade(_ValuesModel):
    """How a changed image or shape of the cluster is rolled out.

    `incremental` moves `step_percent` of the traffic every `interval_s` seconds to a second cluster
    that grows by `surge_percent`; it needs the Gateway API and a class of gateways in the cluster.
    `new-cluster` starts a second one of full size and moves everything at once.
    """

    strategy: Literal["incremental", "new-cluster"] = "incremental"
    gateway_class: Name = "istio"
    step_percent: Percent = 10
    surge_percent: Percent = 25
    interval_s: Annotated[int, Field(ge=1, le=3600)] = 60

    @model_validator(mode="after")
    def _steps_fit_the_surge(self) -> Self:
        if self.step_percent > self.surge_percent:
            raise ValueError(
                f"step_percent, {self.step_percent}, is more than surge_percent, "
                f"{self.surge_percent}: traffic would reach capacity that is not there"
            )
        return self


class Monitoring(_ValuesModel):
    """What alerts and dashboards go by. Of all requests `available` are not failed by the server,
    of streams `prompt` have their first token within `first_token_s`, a bound of that histogram's
    buckets. `runbooks` is where docs/runbooks is published; alerts link to its pages.
    `alertmanagers` (host:port) are told of alerts in the Compose project; `labels` are those by
    which the Prometheus operator finds monitors and rules.
    """

    available: Annotated[float, Field(gt=0.5, lt=1)] = OBJECTIVES.available
    prompt: Annotated[float, Field(gt=0.5, lt=1)] = OBJECTIVES.prompt
    first_token_s: float = OBJECTIVES.first_token_s
    runbooks: Annotated[str, Field(pattern=r"^[^\s\"']{1,500}$")] = RUNBOOKS
    alertmanagers: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")], ...] = ()
    labels: dict[str, str] = {}

    @model_validator(mode="after")
    def _first_token_is_a_bound(self) -> Self:
        if self.first_token_s not in FIRST_TOKEN_BOUNDS:
            bounds = ", ".join(f"{bound:g}" for bound in FIRST_TOKEN_BOUNDS)
            raise ValueError(f"first_token_s, {self.first_token_s:g}, must be one of {bounds}")
        return self

    @property
    def objectives(self) -> Objectives:
        return Objectives(self.available, self.prompt, self.first_token_s)


class Network(_ValuesModel):
    """Namespaces that may reach the pods: callers (gateway or ingress controller) the HTTP port
    alone, KubeRay's operator the dashboard, monitoring the metrics (None: nobody; then no objects
    for Prometheus and Grafana are rendered).
    """

    callers: Annotated[tuple[Name, ...], Field(min_length=1)] = ("istio-ingress",)
    operator: Name = "kuberay-system"
    monitoring: Name | None = None


class Compose(_ValuesModel):
    """One machine. `address` is where the HTTP port is published, Grafana always on loopback. With
    `tls`, the folder `tls` beside compose.yaml holds tls.crt (with its chain) and tls.key."""

    address: Annotated[str, Field(pattern=r"^[0-9a-f.:]+$")] = "127.0.0.1"
    tls: bool = False
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    size: Resources = Resources(cpus=4, memory_gib=8)
    redis: Image = "redis:8.0-bookworm"
    postgres: Image = "postgres:17-bookworm"
    prometheus: Image = "prom/prometheus:v3.5.0"
    grafana: Image = "grafana/grafana:12.1.1"


class Systemd(_ValuesModel):
    """One machine without containers. `folder` holds the repository, `state` is the home's name
    under /var/lib, `secrets_file` may hold further settings, such as what is secret."""

    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")] = "mobula"
    folder: Folder = "/opt/mobula"
    state: Name = "mobula"
    secrets_file: Folder = "/etc/mobula/mobula.env"


class Values(_ValuesModel):
    """The whole installation. `longest_stream_s` bounds a request, and with it every drain;
    `blobs` is an object store that all nodes reach; `models_claim` a volume of model weights.
    `settings` are further settings by their name in cluster/runtime/settings.py.
    """

    name: Name = "mobula"
    namespace: Name = "mobula"
    image: Image = f"mobula:{VERSION}"
    image_pull_secret: Name | None = None
    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    longest_stream_s: Annotated[int, Field(ge=120, le=LONGEST_STREAM_S)] = 600
    blobs: ObjectStore | None = None
    models_claim: Name | None = None
    settings: dict[str, str | int | float | bool] = {}
    secrets: Secrets = Secrets()
    gcs_redis: Address = "redis:6379"
    head: Head = Head()
    workers: Workers = Workers()
    gpu_workers: GpuWorkers | None = None
    upgrade: Upgrade = Upgrade()
    network: Network = Network()
    monitoring: Monitoring = Monitoring()
    compose: Compose = Compose()
    systemd: Systemd = Systemd()


def is_built_here(image: str) -> bool:
    """Whether the name has no registry: on one machine such an image of ours is never pulled."""
    return image.startswith("mobula") and "/" not in image


def unpinned(images: dict[str, str]) -> dict[str, str]:
    """Of images by their field those without a digest: a tag is what its registry says today."""
    return {field: name for field, name in images.items() if DIGEST.search(name) is None}


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping from a file. Raises BadValues."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidValues(f"cannot read {path}: {error}") from None
    if not isinstance(content, dict):
        raise InvalidValues(f"{path} is no mapping of names to values")
    return content


def parse(content: dict[str, Any]) -> Values:
    """Raises BadValues with one line for each field that is wrong."""
    try:
        return Values.model_validate(content)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, each['loc'])) or 'values'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidValues("\n".join(lines)) from None
