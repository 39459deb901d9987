"""API keys: who a presented key belongs to, and where keys are kept.

Flows in: the text after `Bearer `. Flows out: the `Caller`, or `Unauthenticated`. A key reads
`mob_<id>_<secret>`; `id` finds the record, the HMAC-SHA256 of the whole key under the server's
pepper proves it. Only that digest is stored (`<home>/keys.json`), so the file alone opens
nothing. Knows no HTTP and no clock.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.clock import Clock, SystemClock
from cluster.problems import Unauthenticated
from cluster.settings import Settings
from cluster.tenants.caller import Caller, Scope

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH, SECRET_LENGTH = 12, 32  # 71 and 190 bits
SHAPE = re.compile(r"mob_([0-9A-Za-z]{4,32})_[0-9A-Za-z]{24,64}", re.ASCII)
BOOTSTRAP_TENANT = "default"

KEYS, PEPPER, ADMIN = "keys.json", "pepper", "admin.key"  # file names in the home
NOBODY = bytes(32)  # what an unknown id is compared with, so that it costs the same


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is stored of a key. `created` is seconds since the Unix epoch."""

    id: str
    tenant: str
    digest: bytes
    scopes: frozenset[Scope]
    plan: str
    created: float
    bootstrap: bool = False

    def caller(self) -> Caller:
        return Caller(self.tenant, self.id, self.scopes, self.plan)


def new_key(
    pepper: bytes,
    tenant: str,
    scopes: Iterable[Scope],
    *,
    plan: str = "default",
    clock: Clock | None = None,
) -> tuple[str, KeyRecord]:
    """A fresh key and its record. The key itself is to be shown once and forgotten."""
    key = f"mob_{_random(ID_LENGTH)}_{_random(SECRET_LENGTH)}"
    return key, record_of(key, pepper, tenant, scopes, plan=plan, clock=clock)


def record_of(
    key: str,
    pepper: bytes,
    tenant: str,
    scopes: Iterable[Scope],
    *,
    plan: str = "default",
    bootstrap: bool = False,
    clock: Clock | None = None,
) -> KeyRecord:
    """The record of a given key. Raises ValueError if the key has not the right shape."""
    shape = SHAPE.fullmatch(key)
    if shape is None:
        raise ValueError("an API key reads mob_<id>_<secret>, letters and digits, secret of 24+")
    digest = hmac.digest(pepper, key.encode("ascii"), hashlib.sha256)
    created = (clock or SystemClock()).wall()
    return KeyRecord(shape[1], tenant, digest, frozenset(scopes), plan, created, bootstrap)


def _random(length: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(length))


class KeyDirectory:
    """All keys that are valid now, in memory; `verify` takes a few microseconds."""

    def __init__(self, pepper: bytes, records: Iterable[KeyRecord]) -> None:
        self._pepper = pepper
        self._entries = {record.id: (record.digest, record.caller()) for record in records}

    def __len__(self) -> int:
        return len(self._entries)

    @classmethod
    def load(cls, home: Path) -> "KeyDirectory":
        """The keys kept in `home`. Raises FileNotFoundError before the first `up`."""
        return cls((home / PEPPER).read_bytes(), read_records(home))

    def verify(self, presented: str) -> Caller:
        """Whose key this is. Every failure reads the same to the caller."""
        shape = SHAPE.fullmatch(presented)
        if shape is None:
            raise Unauthenticated("The API key is not valid.")
        entry = self._entries.get(shape[1])
        digest = hmac.digest(self._pepper, presented.encode("ascii"), "sha256")
        same = hmac.compare_digest(digest, NOBODY if entry is None else entry[0])
        if entry is None or not same:
            raise Unauthenticated("The API key is not valid.")
        return entry[1]


def bootstrap(home: Path, settings: Settings, clock: Clock | None = None) -> str | None:
    """Make `home` ready to serve; return the first admin key if this call made it.

    `settings.bootstrap_key` replaces the generated one, whose copy in `admin.key` then goes.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    pepper = _pepper(home)
    records = read_records(home)
    if settings.bootstrap_key is not None:
        key = settings.bootstrap_key.get_secret_value()
        (home / ADMIN).unlink(missing_ok=True)
        _install(home, key, pepper, records, clock)
        return None
    if any(record.bootstrap for record in records) and (home / ADMIN).exists():
        return None
    key, _ = new_key(pepper, BOOTSTRAP_TENANT, [Scope.ADMIN])
    _install(home, key, pepper, records, clock)
    write_private(home / ADMIN, key.encode() + b"\n")
    return key


def _install(
    home: Path, key: str, pepper: bytes, records: list[KeyRecord], clock: Clock | None
) -> None:
    """Make `key` the one bootstrap key, unless it is already."""
    record = record_of(key, pepper, BOOTSTRAP_TENANT, [Scope.ADMIN], bootstrap=True, clock=clock)
    if any(old.bootstrap and old.digest == record.digest for old in records):
        return
    write_records(home, [*(old for old in records if not old.bootstrap), record])


def admin_key(home: Path, settings: Settings) -> str | None:
    """The admin key that this machine's own tools (`demo`, `bench`, `keys show`) present."""
    if settings.bootstrap_key is not None:
        return settings.bootstrap_key.get_secret_value()
    path = home / ADMIN
    return path.read_text().strip() if path.exists() else None


def _pepper(home: Path) -> bytes:
    path = home / PEPPER
    if not path.exists():
        write_private(path, secrets.token_bytes(32))
    return path.read_bytes()


def read_records(home: Path) -> list[KeyRecord]:
    path = home / KEYS
    if not path.exists():
        return []
    return [_from_json(entry) for entry in json.loads(path.read_bytes())["keys"]]


def write_records(home: Path, records: Iterable[KeyRecord]) -> None:
    entries = [_to_json(record) for record in records]
    write_private(home / KEYS, json.dumps({"version": 1, "keys": entries}, indent=1).encode())


def _to_json(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "tenant": record.tenant,
        "digest": record.digest.hex(),
        "scopes": sorted(record.scopes),
        "plan": record.plan,
        "created": record.created,
        "bootstrap": record.bootstrap,
    }


def _from_json(entry: Mapping[str, Any]) -> KeyRecord:
    return KeyRecord(
        id=entry["id"],
        tenant=entry["tenant"],
        digest=bytes.fromhex(entry["digest"]),
        scopes=frozenset(Scope(scope) for scope in entry["scopes"]),
        plan=entry["plan"],
        created=entry["created"],
        bootstrap=entry["bootstrap"],
    )


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` in one step, readable by its owner only: a crash leaves old or new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
