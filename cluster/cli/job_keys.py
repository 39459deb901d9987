"""API keys for Ray jobs: short-lived, of the scope `generate`, passed in a private file.

Ray writes a job's runtime environment to its logs and shows it in the dashboard, so no key may be
in it: the environment holds the file's path, as MOBULA_API_KEY_FILE. In: the running cluster's HTTP
API. Out: the path of a file that only its owner may read.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from cluster.runtime.clock import Clock, SystemClock
from cluster.storage.files import write_private

VARIABLE = "MOBULA_API_KEY_FILE"
FOLDER = "job-keys"  # in the home
TTL_S = 3_600
TENANT = "default"


@dataclass(frozen=True, slots=True)
class JobKey:
    """A key for a job: `id` is its public part, `file` holds the key only."""

    id: str
    tenant: str
    file: Path


def create_key(
    http: httpx.Client,
    home: Path,
    *,
    tenant: str = TENANT,
    ttl_s: int = TTL_S,
    clock: Clock | None = None,
) -> JobKey:
    """Creates a key that may generate for `ttl_s` seconds; deletes files of expired keys.

    Raises httpx.HTTPStatusError when the cluster refuses.
    """
    folder = home / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = (clock or SystemClock()).wall()
    _remove_expired(folder, now)
    body = {"name": "Ray job", "scopes": ["generate"], "expires_in_s": ttl_s}
    response = http.post(f"/api/v1/tenants/{tenant}/keys", json=body).raise_for_status().json()
    file = folder / f"{int(now) + ttl_s}-{response['id']}"
    write_private(file, response["key"].encode() + b"\n")
    return JobKey(response["id"], tenant, file)


@contextmanager
def lend_key(http: httpx.Client, home: Path, ttl_s: int = TTL_S) -> Iterator[JobKey]:
    """A key that is revoked when the context ends; its file is deleted."""
    key = create_key(http, home, ttl_s=ttl_s)
    try:
        yield key
    finally:
        key.file.unlink(missing_ok=True)
        with suppress(httpx.HTTPError):  # it expires by itself as well
            http.delete(f"/api/v1/tenants/{key.tenant}/keys/{key.id}")


def _remove_expired(folder: Path, now: float) -> None:
    for file in folder.iterdir():
        expires, _, _ = file.name.partition("-")
        if expires.isdigit() and int(expires) <= now:
            file.unlink(missing_ok=True)
