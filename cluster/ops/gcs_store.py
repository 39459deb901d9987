"""The Redis in which a head keeps what Ray knows of its cluster, so that it can be started again.

Flows in: a URL and a name, under which this cluster's entries stand. Flows out: what `ray start`
needs for it. The entries outlive the head; `forget` removes them when a cluster is ended for good.
"""

import secrets
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import redis

from cluster.runtime.settings import Settings
from cluster.storage.files import write_private

NAME = "gcs.name"  # in the home, from the first start of a cluster until it is ended for good
FORM = "redis://user:password@host:6379"
DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class GcsStore:
    """One cluster's state. Two clusters may share a Redis under different names."""

    url: str
    name: str

    def __post_init__(self) -> None:
        """Raises ValueError where Ray could not use the URL."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError(f"MOBULA_GCS_REDIS_URL has the form {FORM} (rediss with TLS)")
        if parts.path not in ("", "/", "/0"):
            raise ValueError("MOBULA_GCS_REDIS_URL names a database; Ray keeps its state in 0")

    def environment(self) -> dict[str, str]:
        """For the head's `ray start`."""
        parts = urlsplit(self.url)
        prefix = "rediss://" if parts.scheme == "rediss" else ""
        return {
            "RAY_REDIS_ADDRESS": f"{prefix}{parts.hostname}:{parts.port or DEFAULT_PORT}",
            "RAY_external_storage_namespace": self.name,
        }

    def options(self) -> list[str]:
        """Credentials, which Ray takes on its command line only."""
        parts = urlsplit(self.url)
        user = ["--redis-username", unquote(parts.username)] if parts.username else []
        password = ["--redis-password", unquote(parts.password)] if parts.password else []
        return [*user, *password]

    def ping(self) -> None:
        """Raises redis.RedisError where it does not answer, or not to these credentials."""
        with redis.Redis.from_url(self.url, socket_timeout=5.0) as client:
            client.ping()

    def forget(self) -> int:
        """Remove the cluster's entries; how many. Raises redis.RedisError."""
        with redis.Redis.from_url(self.url, socket_timeout=5.0) as client:
            keys = list(client.scan_iter(match=f"RAY{self.name}@*", count=1000))
            return client.delete(*keys) if keys else 0


def from_settings(settings: Settings) -> GcsStore | None:
    """What the settings name, if they do. Raises ValueError."""
    if settings.gcs_redis_url is None:
        return None
    path = settings.home / NAME
    if not path.exists():
        write_private(path, secrets.token_hex(8).encode())
    return GcsStore(settings.gcs_redis_url.get_secret_value(), path.read_text().strip())


def connection_error(settings: Settings) -> str | None:
    """Why a head could not keep its state where the settings say, for the operator."""
    if settings.gcs_redis_url is None:
        return None
    try:
        GcsStore(settings.gcs_redis_url.get_secret_value(), "").ping()
    except ValueError as error:
        return str(error)
    except redis.RedisError as error:
        return f"the Redis of MOBULA_GCS_REDIS_URL cannot be used: {error}"
    return None


def is_kept(settings: Settings) -> bool:
    """Whether a cluster of this home was started and not ended since: the next start goes on."""
    return settings.gcs_redis_url is not None and (settings.home / NAME).exists()


def forget(settings: Settings) -> bool:
    """End it for good: the next start is of a new cluster. False where Redis keeps the entries."""
    store = from_settings(settings) if is_kept(settings) else None
    (settings.home / NAME).unlink(missing_ok=True)
    try:
        return store is None or store.forget() >= 0
    except redis.RedisError:
        return False
