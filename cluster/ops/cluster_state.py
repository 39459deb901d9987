"""What is known of the cluster on this machine between commands: `<home>/cluster.json`.

Written before the first process starts, so that a killed `up` leaves a trace to clean up by.
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
# What Ray appends to its folder to name a unix socket, at most.
SOCKET_TAIL = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/dash_MetricsHead")
SOCKET_LIMIT = 107


@dataclass(frozen=True, slots=True)
class ClusterState:
    """One cluster, or a node of one. `owner` is the `up` that starts it, or that stays in the
    foreground. Where this machine has joined, as the node of that address, the head is elsewhere,
    at `gcs`, and so is the dashboard (""). `certificate` is the file of what `url` serves, if it
    is https."""

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
        """Its `up` was killed before it was ready, or died in the foreground, or all is gone."""
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
    """Ray's folder for sockets and logs; elsewhere if the home's path is too long for sockets."""
    inside = home / "ray"
    if len(str(inside)) + SOCKET_TAIL <= SOCKET_LIMIT:
        return inside
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:10]
    outside = Path(tempfile.gettempdir()) / f"mobula-{os.getuid()}-{digest}"
    outside.mkdir(mode=0o700, exist_ok=True)  # Ray opens its own folder to everybody
    if outside.is_symlink() or outside.stat().st_uid != os.getuid():
        raise PermissionError(f"{outside} belongs to somebody else")
    return outside / "ray"


@contextlib.contextmanager
def startup_lock(home: Path) -> Iterator[bool]:
    """Holds the right to start or clean up; yields False if another `up` has it."""
    with (home / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
