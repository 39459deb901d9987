"""Secret files of the home: the pepper and the bootstrap admin key.

In: the home and the settings, which may replace either file. Out: the pepper, with which secrets in
the database are hashed or encrypted, and the database URL.
"""

import secrets
from pathlib import Path

from cluster.runtime.settings import Settings
from cluster.storage.database import default_url
from cluster.storage.files import write_private

PEPPER, ADMIN = "pepper", "admin.key"  # file names
AUDIT = "audit"  # the folder of the audit trail's checkpoints
USAGE = "usage"  # the folder of usage that is not stored yet
BOOTSTRAP_TENANT = "default"
PEPPER_BYTES = 32


def load_pepper(home: Path, settings: Settings) -> bytes:
    """The server's pepper. Raises FileNotFoundError before the first `up`."""
    if settings.pepper is not None:
        return settings.pepper.get_secret_value().encode()
    return (home / PEPPER).read_bytes()


def make_pepper(home: Path, settings: Settings) -> bytes:
    """The server's pepper, created if there is none."""
    path = home / PEPPER
    if settings.pepper is None and not path.exists():
        write_private(path, secrets.token_bytes(PEPPER_BYTES))
    return load_pepper(home, settings)


def store_url(home: Path, settings: Settings) -> str:
    """The database URL of the settings, or SQLite in the home."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return default_url(home)


def admin_key(home: Path, settings: Settings) -> str | None:
    """The admin key for this machine's commands (`demo`, `bench`, `keys show`)."""
    if settings.bootstrap_key is not None:
        return settings.bootstrap_key.get_secret_value()
    path = home / ADMIN
    return path.read_text().strip() if path.exists() else None
