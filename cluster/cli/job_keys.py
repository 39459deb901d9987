"""Keys for Ray jobs: short-lived, of the scope `generate`, handed over in a private file.

A job's runtime environment is written to Ray's logs and shown by its dashboard, so no key may be in
it: what goes there is the file's path, as MOBULA_API_KEY_FILE. Flows in: the running cluster's HTTP
API. Flows out: the path of a file that only its owner may read.
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
LIFE_S = 3_600
TENANT = "default"


@dataclass(frozen=True, slots=True)
class JobKey:
    """`id` is the key's public part, `file` holds the key and nothing else."""

    id: str
    tenant: str
    file: Path


def make(
    http: httpx.Client,
    home: Path,
    *,
    tenant: str = TENANT,
    life_s: int = LIFE_S,
    clock: Clock | None = None,
) -> JobKey:
    """A key that may generate for `life_s` seconds. Files of keys that have expired go.

    Raises httpx.HTTPStatusError when the cluster refuses.
    """
    folder = home / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = (clock or SystemClock()).wall()
    _remove_expired(folder, now)
    body = {"name": "Ray job", "scopes": ["generate"], "expires_in_s": life_s}
    answer = http.post(f"/api/v1/tenants/{tenant}/keys", json=body).raise_for_status().json()
    file = folder / f"{int(now) + life_s}-{answer['id']}"
    write_private(file, answer["key"].encode() + b"\n")
    return JobKey(answer["id"], tenant, file)


@contextmanager
def lend_key(http: httpx.Client, home: Path, life_s: int = LIFE_S) -> Iterator[JobKey]:
    """The same, revoked and removed at the end."""
    key = make(http, home, life_s=life_s)
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
