"""Mobula on one machine with Docker Compose: with its stores, Prometheus and Grafana beside it.

Flows in: values. Flows out: compose.yaml, what Prometheus and Grafana read, and an example of the
file of secrets, whose values Compose takes from `.env` or the environment when it starts. It hands
them to containers as files in memory; no secret is in a container's environment or command line.
"""

from collections.abc import Callable, Sequence
from typing import Any

from cluster.ops.ports import Ports
from cluster.production.alerts.files import groups
from cluster.production.dashboards.files import own_files, ray_files
from cluster.production.dashboards.grafana import SCRAPE_INTERVAL
from cluster.production.environment import CERTIFICATES, HOME, TLS, env_name, optional_variables
from cluster.production.values import Values, is_built_here
from cluster.runtime.settings import Settings

PORTS = Ports.of(Settings.model_construct())  # the defaults, whatever this machine's are
INTERNAL_HOSTS = ("0.0.0.0", "127.0.0.1", "mobula")
STOP_S = 60  # `up` drains, then ends everything it started
SHARED_MEMORY = 0.35  # of the memory; Ray's object store takes 0.3
# Those that hold a password again: Compose puts them together from the others when it starts.
SECRETS = {
    "POSTGRES_PASSWORD": "letters and digits: openssl rand -hex 32",
    "REDIS_PASSWORD": "letters and digits: openssl rand -hex 32",
    "MOBULA_PEPPER": "without it no backup can be opened: openssl rand -hex 32",
    "MOBULA_BOOTSTRAP_KEY": "the admin key, mob_<id>_<secret>: 12 and 40 letters and digits",
    "MOBULA_METRICS_KEY": "a key for Prometheus alone, in the same form",
    "GRAFANA_PASSWORD": "for the user admin: openssl rand -hex 16",
}
DERIVED = {
    "MOBULA_DATABASE_URL": "postgresql+asyncpg://mobula:${POSTGRES_PASSWORD}@postgres:5432/mobula",
    "MOBULA_REDIS_URL": "redis://:${REDIS_PASSWORD}@redis:6379/0",
}
# Settings that a file holds, in the container of Mobula.
IN_FILES = ("database_url", "redis_url", "pepper", "bootstrap_key", "metrics_key")
WHERE = "/run/secrets"
RULES = "/etc/prometheus/rules"
MOBULA, POSTGRES, REDIS = 10001, 999, 999  # users of the images
PROMETHEUS, GRAFANA = 65534, 472

Dump = Callable[[Sequence[Any]], str]


def render_files(values: Values, dump: Dump) -> dict[str, str]:
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
                "jsonData": {"timeInterval": SCRAPE_INTERVAL, "httpMethod": "POST"},
            }
        ],
    }
    objectives = values.monitoring.objectives
    rules = groups(objectives, values.monitoring.runbooks)
    ours, rays = own_files(objectives), ray_files()
    return {
        "compose.yaml": dump([project(values)]),
        "example.env": _example(),
        "prometheus.yml": dump([prometheus(values)]),
        "rules/mobula.yml": dump([{"groups": rules}]),
        "grafana/datasources/prometheus.yaml": dump([source]),
        "grafana/providers/mobula.yaml": dump([{"apiVersion": 1, "providers": _providers()}]),
        **{f"grafana/dashboards/mobula/{name}": text for name, text in ours.items()},
        **{f"grafana/dashboards/ray/{name}": text for name, text in rays.items()},
    }


def _providers() -> list[dict[str, Any]]:
    """A folder of dashboards each."""
    return [
        {
            "name": name,
            "folder": title,
            "type": "file",
            "options": {"path": f"/etc/grafana/dashboards/{name}"},
        }
        for name, title in (("mobula", "Mobula"), ("ray", "Ray"))
    ]


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
        "secrets": {name.lower(): {"environment": name} for name in (*SECRETS, *DERIVED)},
        # Who may reach whom: Grafana reaches Prometheus, Prometheus the API, and neither a store.
        "networks": {
            "web": {},
            "database": {"internal": True},
            "cache": {"internal": True},
            "metrics": {"internal": True},
            "dashboards": {},
        },
        "volumes": {"home": {}, "postgres": {}, "redis": {}, "prometheus": {}, "grafana": {}},
    }


def prometheus(values: Values) -> dict[str, Any]:
    """All by the API's port and one key, also the metrics of Ray and HAProxy. With TLS the
    certificate is not checked: no name of it is known here."""
    tls = {"scheme": "https", "tls_config": {"insecure_skip_verify": True}}
    own = tls if values.compose.tls else {}
    return {
        "global": {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL},
        "rule_files": [f"{RULES}/*.yml"],
        **_alerting(values.monitoring.alertmanagers),
        "scrape_configs": [
            {**_scrape("mobula", "/metrics"), **own},
            {**_scrape("ray", "/metrics/ray"), **own},
            {**_scrape("haproxy", "/metrics/haproxy"), **own},
        ],
    }


def _alerting(alertmanagers: Sequence[str]) -> dict[str, Any]:
    if not alertmanagers:
        return {}
    return {"alerting": {"alertmanagers": [{"static_configs": [{"targets": [*alertmanagers]}]}]}}


def _scrape(job: str, path: str) -> dict[str, Any]:
    key = {"type": "Bearer", "credentials_file": f"{WHERE}/mobula_metrics_key"}
    return {
        "job_name": job,
        "metrics_path": path,
        "authorization": key,
        "static_configs": [{"targets": [f"mobula:{PORTS.http}"]}],
    }


def _example() -> str:
    """The file of secrets, to be filled in."""
    to_fill_in = "".join(f"# {about}\n{name}=\n" for name, about in SECRETS.items())
    derived = "".join(f"{name}={value}\n" for name, value in DERIVED.items())
    return f"{to_fill_in}# made of the passwords above; leave them as they are\n{derived}"


def _mobula(values: Values) -> dict[str, Any]:
    own = values.compose
    return {
        **_image(values.image),
        "environment": {
            "MOBULA_HOME": HOME,
            "MOBULA_HOST": "0.0.0.0",
            **{f"{env_name(name)}_FILE": f"{WHERE}/{env_name(name).lower()}" for name in IN_FILES},
            **(TLS if own.tls else {}),
            **optional_variables(values),
            "MOBULA_ALLOWED_HOSTS": ",".join(_allowed_hosts(values)),
        },
        "secrets": [_readable(env_name(name).lower(), MOBULA) for name in IN_FILES],
        "networks": ["web", "database", "cache", "metrics"],
        "ports": [f"{own.address}:{own.port}:{PORTS.http}"],
        # The folder and not its files: one that is replaced by another is seen only so.
        "volumes": [f"home:{HOME}", *([f"./tls:{CERTIFICATES}:ro"] if own.tls else [])],
        "depends_on": {
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
        },
        "healthcheck": _check(["CMD", "python", "-m", "cluster.ops.healthcheck"], start="300s"),
        "stop_grace_period": f"{STOP_S}s",
        "shm_size": f"{int(own.size.memory_gib * 1024 * SHARED_MEMORY)}m",
        "ulimits": {"nofile": {"soft": 65536, "hard": 65536}},
        **_limits(own.size.cpus, f"{own.size.memory_gib}g"),
        **_confined("/tmp:mode=1777,exec"),
    }


def _allowed_hosts(values: Values) -> tuple[str, ...]:
    """Also the names that `up`, the health check and Prometheus use."""
    return values.hosts if "*" in values.hosts else (*values.hosts, *INTERNAL_HOSTS)


def _postgres(values: Values) -> dict[str, Any]:
    return {
        **_image(values.compose.postgres),
        "user": f"{POSTGRES}:{POSTGRES}",
        "environment": {
            "POSTGRES_USER": "mobula",
            "POSTGRES_DB": "mobula",
            "POSTGRES_PASSWORD_FILE": f"{WHERE}/postgres_password",
        },
        "secrets": [_readable("postgres_password", POSTGRES)],
        "networks": ["database"],
        "volumes": ["postgres:/var/lib/postgresql/data"],
        "healthcheck": _check(["CMD", "pg_isready", "-U", "mobula", "-d", "mobula"]),
        "shm_size": "256m",
        **_limits(2, "2g"),
        **_confined("/tmp:mode=1777", f"/run/postgresql:mode=0775,uid={POSTGRES},gid={POSTGRES}"),
    }


def _redis(values: Values) -> dict[str, Any]:
    """Nothing may be evicted: an evicted bucket would lift its limit. The password
    goes into a file in memory: a command line is everybody's to read."""
    keep = "--appendonly yes --maxmemory 768mb --maxmemory-policy noeviction"
    password = f"$$(cat {WHERE}/redis_password)"
    start = (
        f'umask 077 && echo "requirepass {password}" > /run/redis/redis.conf'
        f" && exec redis-server /run/redis/redis.conf --dir /data {keep}"
    )
    ping = f"REDISCLI_AUTH={password} redis-cli ping | grep -q PONG"
    return {
        **_image(values.compose.redis),
        "user": f"{REDIS}:{REDIS}",
        "command": ["sh", "-c", start],
        "secrets": [_readable("redis_password", REDIS)],
        "networks": ["cache"],
        "volumes": ["redis:/data"],
        "healthcheck": _check(["CMD", "sh", "-c", ping]),
        **_limits(1, "1g"),
        **_confined("/tmp:mode=1777", f"/run/redis:mode=0700,uid={REDIS},gid={REDIS}"),
    }


def _prometheus(values: Values) -> dict[str, Any]:
    return {
        **_image(values.compose.prometheus),
        "secrets": [_readable("mobula_metrics_key", PROMETHEUS)],
        "networks": ["metrics", "dashboards"],
        "volumes": [
            "./prometheus.yml:/etc/prometheus/prometheus.yml:ro",
            f"./rules:{RULES}:ro",
            "prometheus:/prometheus",
        ],
        "healthcheck": _check(["CMD", "wget", "-q", "-O-", "http://127.0.0.1:9090/-/ready"]),
        **_limits(1, "1g"),
        **_confined("/tmp:mode=1777"),
    }


def _grafana(values: Values) -> dict[str, Any]:
    folder = "/etc/grafana"
    return {
        **_image(values.compose.grafana),
        "environment": {
            "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{WHERE}/grafana_password",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
        },
        "secrets": [_readable("grafana_password", GRAFANA)],
        "networks": ["dashboards"],
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
        **_confined("/tmp:mode=1777"),
    }


def _image(name: str) -> dict[str, Any]:
    """Without a registry in its name the image was built on this machine: nobody else's is run."""
    return {"image": name, **({"pull_policy": "never"} if is_built_here(name) else {})}


def _readable(secret: str, user: int) -> dict[str, Any]:
    """A file in the container's memory that its user alone may read."""
    return {"source": secret, "target": secret, "uid": str(user), "gid": str(user), "mode": 0o400}


def _check(test: list[str], start: str = "30s") -> dict[str, Any]:
    return {"test": test, "interval": "10s", "timeout": "5s", "retries": 3, "start_period": start}


def _limits(cpus: int, memory: str) -> dict[str, Any]:
    return {
        "restart": "unless-stopped",
        "deploy": {"resources": {"limits": {"cpus": str(cpus), "memory": memory}}},
        "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "3"}},
    }


def _confined(*tmpfs: str) -> dict[str, Any]:
    """Writable are the volumes and, in memory, `tmpfs`."""
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "tmpfs": list(tmpfs),
    }
