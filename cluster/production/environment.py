"""The environment of a Mobula container on Kubernetes: what is plain, and what comes from Secrets.

Flows in: values. Flows out: lists for `env` and `envFrom`. Serve's part is that of every other
cluster (cluster/ops/environment.py); Ray's token is set by KubeRay itself.
"""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cluster.ops.environment import serve_environment
from cluster.ops.ports import Ports
from cluster.production.values import InvalidValues, Secrets, Values
from cluster.runtime.settings import Settings

# Ray's autoscaler on Kubernetes looks for Ray control at 6379 alone; every other port follows.
PORTS = Ports(http=8000, dashboard=8265, gcs=6379)
HOME = "/var/lib/mobula"
MODELS = "/models"
HAPROXY = Path("/tmp/haproxy")
# Where the images keep what this machine keeps elsewhere.
IN_IMAGE = {
    "RAY_SERVE_HAPROXY_BINARY_PATH": "/opt/mobula/cluster/ops/haproxy",
    "MOBULA_HAPROXY": "/opt/venv/bin/haproxy",
    "MOBULA_PYTHON": "/opt/venv/bin/python",
}

# Prometheus asks from another container; network policies and Compose's network keep others out.
MONITORED = {"MOBULA_METRICS_HOST": "0.0.0.0"}
CERTIFICATES = "/etc/mobula/tls"
TLS = {
    "MOBULA_TLS_CERT_FILE": f"{CERTIFICATES}/tls.crt",
    "MOBULA_TLS_KEY_FILE": f"{CERTIFICATES}/tls.key",
}

SECRET_SETTINGS = ("database_url", "redis_url", "pepper", "bootstrap_key")
OPTIONAL = ("metrics_key", "sentry_dsn")  # the Secret may do without
# What the manifests decide themselves; as `settings` they would contradict the rest.
DECIDED = {"home", "host", "http_port", "dashboard_port", "gcs_port", "allowed_hosts"} | {
    "metrics_host",
    "tls_cert_file",
    "tls_key_file",
    "max_timeout_s",
    "model_spec",
    "ingress_names",
    "node_address",
    "node_cpus",
    "video_sandbox",
}


def env_name(setting: str) -> str:
    return f"MOBULA_{setting.upper()}"


def metrics_host(values: Values) -> str:
    """The name of the service that Prometheus asks for the metrics of all replicas."""
    return f"{values.name}-metrics.{values.namespace}.svc"


def allowed_hosts(values: Values) -> tuple[str, ...]:
    """Also the name by which Prometheus asks."""
    if "*" in values.hosts or values.network.monitoring is None:
        return values.hosts
    return (*values.hosts, metrics_host(values))


def plain_variables(values: Values) -> dict[str, str]:
    """Everything that is no secret, by name."""
    return {
        **serve_environment("fast", PORTS, HAPROXY, values.workers.cpus),
        **IN_IMAGE,
        "RAY_START_HOOK": "cluster.ops.worker_hook.disable_client_server",
        "RAY_USAGE_STATS_ENABLED": "0",
        "MOBULA_HOME": HOME,
        "MOBULA_HOST": "0.0.0.0",
        "MOBULA_HTTP_PORT": str(PORTS.http),
        "MOBULA_DASHBOARD_PORT": str(PORTS.dashboard),
        "MOBULA_GCS_PORT": str(PORTS.gcs),
        **MONITORED,
        **(TLS if values.secrets.tls else {}),
        **optional_variables(values),
        "MOBULA_ALLOWED_HOSTS": ",".join(allowed_hosts(values)),
        **({"HF_HOME": MODELS} if values.models_claim else {}),
    }


def optional_variables(values: Values) -> dict[str, str]:
    """Settings that the values decide, wherever Mobula runs. Raises BadValues."""
    return {
        "MOBULA_ALLOWED_HOSTS": ",".join(values.hosts),
        "MOBULA_MAX_TIMEOUT_S": str(values.longest_stream_s),
        **_further(values),
    }


def _further(values: Values) -> dict[str, str]:
    for name in values.settings:
        field = Settings.model_fields.get(name)
        if field is None:
            raise InvalidValues(f"settings.{name}: there is no such setting")
        if name in DECIDED:
            raise InvalidValues(f"settings.{name}: the manifests decide it")
        if SecretStr in getattr(field.annotation, "__args__", (field.annotation,)):
            raise InvalidValues(f"settings.{name}: is a secret; name its key under `secrets`")
    return {env_name(name): _text(value) for name, value in sorted(values.settings.items())}


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def env(values: Values) -> list[dict[str, Any]]:
    """For a container: secrets by reference, first, then what is plain, by name."""
    secrets = values.secrets
    referred = [
        {"name": env_name(name), "valueFrom": {"secretKeyRef": _reference(secrets, name)}}
        for name in (*SECRET_SETTINGS, *OPTIONAL)
    ]
    return referred + [
        {"name": name, "value": value} for name, value in plain_variables(values).items()
    ]


def _reference(secrets: Secrets, name: str) -> dict[str, Any]:
    reference = {"name": secrets.name, "key": getattr(secrets, name)}
    return {**reference, "optional": True} if name in OPTIONAL else reference


def env_from(values: Values) -> list[dict[str, Any]]:
    store = values.secrets.object_store
    return [] if store is None else [{"secretRef": {"name": store}}]


def probe_host(values: Values) -> str | None:
    """A name that Mobula answers to, for probes, which otherwise send the pod's address."""
    first = values.hosts[0]
    return None if "*" in values.hosts else first.replace("*.", "probe.", 1)
