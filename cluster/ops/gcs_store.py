"""Redis as the store of Ray's GCS, so that a head can be restarted with its cluster state.

In: a URL and a namespace for this cluster's entries. Out: options and variables for `ray start`.
The entries outlive the head; `forget` deletes them when a cluster is stopped for good.
"""

import secrets
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import redis

from cluster.runtime.settings import Settings
from cluster.storage.files import write_private

NAME = "gcs.name"  # in the home, from a cluster's first start until it is stopped for good
URL_FORMAT = "redis://user:password@host:6379"
DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class GcsStore:
    """One cluster's GCS state. Clusters may share a Redis under different names."""

    url: str
    name: str

    def __post_init__(self) -> None:
        """Raises ValueError if Ray cannot use the URL."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError(f"MOBULA_GCS_REDIS_URL has the form {URL_FORMAT} (rediss with TLS)")
        if parts.path not in ("", "/", "/0"):
            raise ValueError("MOBULA_GCS_REDIS_URL selects a database; Ray supports only 0")

    def environment(self) -> dict[str, str]:
        """Variables for the head's `ray start`."""
        parts = urlsplit(self.url)
        prefix = "rediss://" if parts.scheme == "rediss" else ""
        return {
            "RAY_REDIS_ADDRESS": f"{prefix}{parts.hostname}:{parts.port or DEFAULT_PORT}",
            "RAY_external_storage_namespace": self.name,
        }

    def options(self) -> list[str]:
        """Command-line options with the credentials, which Ray accepts only there."""
        parts = urlsplit(self.url)
        user = ["--redis-username", unquote(parts.username)] if parts.username else []
        password = ["--redis-password", unquote(parts.password)] if parts.password else []
        return [*user, *password]

    def ping(self) -> None:
        """Raises redis.RedisError if Redis does not answer or refuses the credentials."""
        with redis.Redis.from_url(self.url, socket_timeout=5.0) as client:
            client.ping()

    def forget(self) -> int:
        """Deletes the cluster's entries and returns their number. Raises redis.RedisError."""
        with redis.Redis.from_url(self.url, socket_timeout=5.0) as client:
            keys = list(client.scan_iter(match=f"RAY{self.name}@*", count=1000))
            return client.delete(*keys) if keys else 0


def from_settings(settings: Settings) -> GcsStore | None:
    """The configured store, or None. Raises ValueError."""
    if settings.gcs_redis_url is None:
        return None
    path = settings.home / NAME
    if not path.exists():
        write_private(path, secrets.token_hex(8).encode())
    return GcsStore(settings.gcs_redis_url.get_secret_value(), path.read_text().strip())


def connection_error(settings: Settings) -> str | None:
    """Why the configured store cannot be used, for the operator; None if it can."""
    if settings.gcs_redis_url is None:
        return None
    try:
        GcsStore(settings.gcs_redis_url.get_secret_value(), "").ping()
    except ValueError as error:
        return str(error)
    except redis.RedisError as error:
        return f"the Redis of MOBULA_GCS_REDIS_URL cannot be used: {error}"
    return None


def has_saved_state(settings: Settings) -> bool:
    """Whether a cluster of this home can be restarted with its saved state."""
    return settings.gcs_redis_url is not None and (settings.home / NAME).exists()


def forget(settings: Settings) -> bool:
    """Deletes the saved state; the next start is a new cluster. False if Redis is unreachable."""
    store = from_settings(settings) if has_saved_state(settings) else None
    (settings.home / NAME).unlink(missing_ok=True)
    try:
        return store is None or store.forget() >= 0
    except redis.RedisError:
        return False
