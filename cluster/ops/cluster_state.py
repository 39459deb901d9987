"""State of the cluster on this machine between commands: `<home>/cluster.json`.

Written before the first process starts, so that the remains of a killed `up` can be cleaned up.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from cluster.ops.processes import ClusterId, cluster_processes
from cluster.storage.files import write_private

STATE, LOCK = "cluster.json", "up.lock"
# The longest suffix that Ray appends to its folder for a unix socket.
SOCKET_SUFFIX_BYTES = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/dash_MetricsHead")
SOCKET_PATH_LIMIT = 107


@dataclass(frozen=True, slots=True)
class ClusterState:
    """A cluster, or a node of one. `owner` is the process of a starting or foreground `up`. On a
    joined node `joined_as` is its address, `gcs` is on the head, and `dashboard` is "".
    `certificate` is the file of the certificate that `url` serves, "" without TLS."""

    id: str
    phase: Literal["starting", "ready"]
    detached: bool
    owner: ClusterId
    url: str
    dashboard: str
    gcs: str
    ray_dir: str
    haproxy_dir: str
    profile: str
    started: float
    joined_as: str | None = None
    certificate: str = ""

    @property
    def joined(self) -> bool:
        return self.joined_as is not None

    def ready(self) -> "ClusterState":
        return replace(self, phase="ready")

    def is_abandoned(self) -> bool:
        """Whether `up` died during the start or in the foreground, or no process is left."""
        needs_owner = self.phase == "starting" or not self.detached
        return (needs_owner and self.owner.process() is None) or not cluster_processes(self.id)


def load(home: Path) -> ClusterState | None:
    path = home / STATE
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
        entry = json.loads(path.read_bytes())
        return ClusterState(**{**entry, "owner": ClusterId(**entry["owner"])})
    return None


def save(home: Path, state: ClusterState) -> None:
    write_private(home / STATE, json.dumps(asdict(state), indent=1).encode())


def forget(home: Path) -> None:
    (home / STATE).unlink(missing_ok=True)


def ray_dir(home: Path) -> Path:
    """Ray's folder for sockets and logs; in /tmp if the home's path is too long for sockets."""
    home_folder = home / "ray"
    if len(str(home_folder)) + SOCKET_SUFFIX_BYTES <= SOCKET_PATH_LIMIT:
        return home_folder
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:10]
    private_folder = Path(tempfile.gettempdir()) / f"mobula-{os.getuid()}-{digest}"
    private_folder.mkdir(mode=0o700, exist_ok=True)  # Ray makes its own folder accessible to all
    if private_folder.is_symlink() or private_folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{private_folder} belongs to another user")
    return private_folder / "ray"


@contextlib.contextmanager
def startup_lock(home: Path) -> Iterator[bool]:
    """Lock for starting or cleaning up; yields False if another `up` holds it."""
    with (home / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
