"""Mobula on one machine with Docker Compose: with its stores, Prometheus and Grafana beside it.

Flows in: values. Flows out: compose.yaml, what Prometheus and Grafana read, and an example of the
file of secrets, whose values Compose takes from `.env` or the environment when it starts.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from cluster.ops.ports import Ports
from cluster.production.dashboard import dashboard
from cluster.production.environment import CERTIFICATES, HOME, MONITORED, TLS, chosen
from cluster.production.values import Values
from cluster.settings import Settings

PORTS = Ports.of(Settings.model_construct())  # the defaults, whatever this machine's are
INTERNAL_HOSTS = ("0.0.0.0", "127.0.0.1", "mobula")
STOP_S = 60  # `up` drains, then ends everything it started
SHARED_MEMORY = 0.35  # of the memory; Ray's object store takes 0.3
SECRETS = {
    "POSTGRES_PASSWORD": "letters and digits: openssl rand -hex 32",
    "REDIS_PASSWORD": "letters and digits: openssl rand -hex 32",
    "MOBULA_PEPPER": "without it no backup can be opened: openssl rand -hex 32",
    "MOBULA_BOOTSTRAP_KEY": "the admin key, mob_<id>_<secret>: 12 and 40 letters and digits",
    "GRAFANA_PASSWORD": "for the user admin: openssl rand -hex 16",
}

Dump = Callable[[Sequence[Any]], str]


def files(values: Values, dump: Dump) -> dict[str, str]:
    source = {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Prometheus",
                "uid": "prometheus",
                "type": "prometheus",
                "access": "proxy",
                "url": "http://prometheus:9090",
                "isDefault": True,
            }
        ],
    }
    provider = {"name": "mobula", "type": "file", "options": {"path": "/etc/grafana/dashboards"}}
    return {
        "compose.yaml": dump([project(values)]),
        "example.env": "".join(f"# {about}\n{name}=\n" for name, about in SECRETS.items()),
        "prometheus.yml": dump([prometheus(values)]),
        "grafana/datasources/prometheus.yaml": dump([source]),
        "grafana/providers/mobula.yaml": dump([{"apiVersion": 1, "providers": [provider]}]),
        "grafana/dashboards/mobula.json": json.dumps(dashboard(), indent=1) + "\n",
    }


def project(values: Values) -> dict[str, Any]:
    """The Compose file, after the Compose Specification."""
    return {
        "name": values.name,
        "services": {
            "mobula": _mobula(values),
            "postgres": _postgres(values),
            "redis": _redis(values),
            "prometheus": _prometheus(values),
            "grafana": _grafana(values),
        },
        "secrets": {
            "mobula_key": {"environment": "MOBULA_BOOTSTRAP_KEY"},
            "postgres_password": {"environment": "POSTGRES_PASSWORD"},
            "grafana_password": {"environment": "GRAFANA_PASSWORD"},
        },
        "volumes": {"home": {}, "postgres": {}, "redis": {}, "prometheus": {}, "grafana": {}},
    }


def prometheus(values: Values) -> dict[str, Any]:
    """Ray's and HAProxy's figures need no key inside the project's network; Mobula's do. There no
    name of the certificate's is known, so that by TLS it is not checked."""
    key = {"type": "Bearer", "credentials_file": "/run/secrets/mobula_key"}
    tls = {"scheme": "https", "tls_config": {"insecure_skip_verify": True}}
    return {
        "global": {"scrape_interval": "15s"},
        "scrape_configs": [
            {
                **_scrape("mobula", PORTS.http),
                "authorization": key,
                **(tls if values.compose.tls else {}),
            },
            _scrape("ray", PORTS.metrics),
            _scrape("haproxy", PORTS.haproxy_metrics),
        ],
    }


def _scrape(job: str, port: int) -> dict[str, Any]:
    return {
        "job_name": job,
        "metrics_path": "/metrics",
        "static_configs": [{"targets": [f"mobula:{port}"]}],
    }


def _mobula(values: Values) -> dict[str, Any]:
    own = values.compose
    return {
        "image": values.image,
        "environment": {
            "MOBULA_HOME": HOME,
            "MOBULA_HOST": "0.0.0.0",
            # Not loopback: Prometheus reads Ray's figures from its own container.
            "MOBULA_NODE_ADDRESS": "mobula",
            "MOBULA_DATABASE_URL": (
                f"postgresql+asyncpg://mobula:{_secret('POSTGRES_PASSWORD')}@postgres:5432/mobula"
            ),
            "MOBULA_REDIS_URL": f"redis://:{_secret('REDIS_PASSWORD')}@redis:6379/0",
            "MOBULA_PEPPER": _secret("MOBULA_PEPPER"),
            "MOBULA_BOOTSTRAP_KEY": _secret("MOBULA_BOOTSTRAP_KEY"),
            **MONITORED,
            **(TLS if own.tls else {}),
            **chosen(values),
            "MOBULA_ALLOWED_HOSTS": ",".join(_answered(values)),
        },
        "ports": [f"{own.address}:{own.port}:{PORTS.http}"],
        # The folder and not its files: one that is replaced by another is seen only so.
        "volumes": [f"home:{HOME}", *([f"./tls:{CERTIFICATES}:ro"] if own.tls else [])],
        "depends_on": {
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
        },
        "healthcheck": _check(["CMD", "python", "-m", "cluster.ops.probe"], start="300s"),
        "stop_grace_period": f"{STOP_S}s",
        "shm_size": f"{int(own.size.memory_gib * 1024 * SHARED_MEMORY)}m",
        "ulimits": {"nofile": {"soft": 65536, "hard": 65536}},
        **_limits(own.size.cpus, f"{own.size.memory_gib}g"),
        **_confined(),
        "read_only": True,
        "tmpfs": ["/tmp:mode=1777,exec"],
    }


def _answered(values: Values) -> tuple[str, ...]:
    """Also the names by which `up` and the health check, and Prometheus ask."""
    return values.hosts if "*" in values.hosts else (*values.hosts, *INTERNAL_HOSTS)


def _postgres(values: Values) -> dict[str, Any]:
    return {
        "image": values.compose.postgres,
        "environment": {
            "POSTGRES_USER": "mobula",
            "POSTGRES_DB": "mobula",
            "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres_password",
        },
        "secrets": ["postgres_password"],
        "volumes": ["postgres:/var/lib/postgresql/data"],
        "healthcheck": _check(["CMD", "pg_isready", "-U", "mobula", "-d", "mobula"]),
        "shm_size": "256m",
        **_limits(2, "2g"),
    }


def _redis(values: Values) -> dict[str, Any]:
    """Nothing may be evicted: a limit that is forgotten is a limit that is not kept."""
    keep = ["--appendonly", "yes", "--maxmemory", "768mb", "--maxmemory-policy", "noeviction"]
    return {
        "image": values.compose.redis,
        "command": ["redis-server", *keep, "--requirepass", _secret("REDIS_PASSWORD")],
        "environment": {"REDISCLI_AUTH": _secret("REDIS_PASSWORD")},
        "volumes": ["redis:/data"],
        "healthcheck": _check(["CMD", "redis-cli", "ping"]),
        **_limits(1, "1g"),
    }


def _prometheus(values: Values) -> dict[str, Any]:
    return {
        "image": values.compose.prometheus,
        "secrets": ["mobula_key"],
        "volumes": [
            "./prometheus.yml:/etc/prometheus/prometheus.yml:ro",
            "prometheus:/prometheus",
        ],
        "healthcheck": _check(["CMD", "wget", "-q", "-O-", "http://127.0.0.1:9090/-/ready"]),
        **_limits(1, "1g"),
        **_confined(),
    }


def _grafana(values: Values) -> dict[str, Any]:
    folder = "/etc/grafana"
    return {
        "image": values.compose.grafana,
        "environment": {
            "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana_password",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
        },
        "secrets": ["grafana_password"],
        "ports": ["127.0.0.1:3000:3000"],
        "volumes": [
            f"./grafana/datasources:{folder}/provisioning/datasources:ro",
            f"./grafana/providers:{folder}/provisioning/dashboards:ro",
            f"./grafana/dashboards:{folder}/dashboards:ro",
            "grafana:/var/lib/grafana",
        ],
        "depends_on": {"prometheus": {"condition": "service_healthy"}},
        "healthcheck": _check(["CMD", "wget", "-q", "-O-", "http://127.0.0.1:3000/api/health"]),
        **_limits(1, "512m"),
        **_confined(),
    }


def _secret(name: str) -> str:
    return f"${{{name}:?set it in .env}}"


def _check(test: list[str], start: str = "30s") -> dict[str, Any]:
    return {"test": test, "interval": "10s", "timeout": "5s", "retries": 3, "start_period": start}


def _limits(cpus: int, memory: str) -> dict[str, Any]:
    return {
        "restart": "unless-stopped",
        "deploy": {"resources": {"limits": {"cpus": str(cpus), "memory": memory}}},
        "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "3"}},
    }


def _confined() -> dict[str, Any]:
    return {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
