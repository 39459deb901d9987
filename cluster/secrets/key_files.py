"""What the home keeps of identity: the pepper and the first admin key, each in a private file.

Flows in: the home and the settings, which may stand in for either file. Flows out: the pepper,
under which everything secret in the store is hashed or sealed, and the store's URL.
"""

import secrets
from pathlib import Path

from cluster.runtime.settings import Settings
from cluster.storage.database import default_url
from cluster.storage.files import write_private

PEPPER, ADMIN = "pepper", "admin.key"  # file names
AUDIT = "audit"  # the folder of the audit trail's checkpoints
USAGE = "usage"  # the folder of what processes have used and not stored yet
BOOTSTRAP_TENANT = "default"
PEPPER_BYTES = 32


def load_pepper(home: Path, settings: Settings) -> bytes:
    """The server's pepper. Raises FileNotFoundError before the first `up`."""
    if settings.pepper is not None:
        return settings.pepper.get_secret_value().encode()
    return (home / PEPPER).read_bytes()


def make_pepper(home: Path, settings: Settings) -> bytes:
    """The same, made when there is none yet."""
    path = home / PEPPER
    if settings.pepper is None and not path.exists():
        write_private(path, secrets.token_bytes(PEPPER_BYTES))
    return load_pepper(home, settings)


def store_url(home: Path, settings: Settings) -> str:
    """Where the relational store is: what the settings name, or SQLite in the home."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return default_url(home)


def admin_key(home: Path, settings: Settings) -> str | None:
    """The admin key that this machine's own tools (`demo`, `bench`, `keys show`) present."""
    if settings.bootstrap_key is not None:
        return settings.bootstrap_key.get_secret_value()
    path = home / ADMIN
    return path.read_text().strip() if path.exists() else None
