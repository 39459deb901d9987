"""State of a cluster's supervisor: `<home>/supervisor.json`.

Written by a foreground `up` or by the background process of `up -d`; read by `status`, `down` and
the next `up`. It outlives `cluster.json`, which is absent during a restart.
"""

import contextlib
import json
import signal
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from cluster.ops.processes import ClusterId, send, wait_until_gone
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.settings import process_environment
from cluster.storage.files import write_private

FILE = "supervisor.json"
STOP_TIMEOUT_S = 20.0

Phase = Literal["watching", "waiting", "restarting", "gave up"]


@dataclass(frozen=True, slots=True)
class Supervision:
    """`restarts` counts successful restarts; `attempt` is the number of the current one."""

    owner: ClusterId
    detached: bool
    phase: Phase = "watching"
    reason: str = ""
    attempt: int = 0
    restarts: int = 0
    since: float = 0.0  # Unix seconds

    def is_alive(self) -> bool:
        return self.owner.process() is not None

    def __str__(self) -> str:
        """The text that `status` shows."""
        if self.phase == "gave up":
            return f"gave up: {self.reason}"
        if not self.is_alive():
            return "none: its process has ended; `mobula down` and `mobula up` start another"
        words = {
            "watching": "watching",
            "waiting": self.reason,
            "restarting": f"restarting the cluster, attempt {self.attempt}: {self.reason}",
        }
        return f"{words[self.phase]}{self._restart_count()}"

    def _restart_count(self) -> str:
        times = {0: "", 1: "once"}.get(self.restarts, f"{self.restarts} times")
        return f"; restarted the cluster {times}" if times else ""


def load(home: Path) -> Supervision | None:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        entry = json.loads((home / FILE).read_bytes())
        return Supervision(**{**entry, "owner": ClusterId(**entry["owner"])})
    return None


def save(home: Path, supervision: Supervision) -> None:
    write_private(home / FILE, json.dumps(asdict(supervision), indent=1).encode())


def forget(home: Path) -> None:
    (home / FILE).unlink(missing_ok=True)


def alive(home: Path) -> Supervision | None:
    """The running supervisor, or None."""
    supervision = load(home)
    return supervision if supervision is not None and supervision.is_alive() else None


def stop(home: Path, clock: Clock | None = None) -> bool:
    """Stops a background supervisor before its cluster is stopped; kills it after a timeout.
    Returns whether there was one."""
    supervision = alive(home)
    if supervision is None or not supervision.detached:
        return False
    clock = clock or SystemClock()
    alive_now = supervision.owner.processes
    for number in (signal.SIGTERM, signal.SIGKILL):
        send(number, alive_now())
        if wait_until_gone(alive_now, STOP_TIMEOUT_S, clock):
            break
    forget(home)
    return True


def notify(text: str) -> None:
    """Sends a state such as `READY=1`; does nothing outside of systemd."""
    address = process_environment().get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
    ):
        out.sendto(text.encode(), address)
