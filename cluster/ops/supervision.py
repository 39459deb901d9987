"""What a cluster's supervisor says of itself: `<home>/supervisor.json`.

Written by the `up` that stays in the foreground, or by the process that `up -d` leaves behind;
read by `status`, `down` and the next `up`. It outlives `cluster.json`, which is gone for a moment
while a cluster is started again.
"""

import contextlib
import json
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from cluster.ops.processes import ClusterId, send, wait_until_gone
from cluster.runtime.clock import Clock, SystemClock
from cluster.storage.files import write_private

FILE = "supervisor.json"
STOP_S = 20.0

Phase = Literal["watching", "waiting", "restarting", "gave up"]


@dataclass(frozen=True, slots=True)
class Supervision:
    """`restarts` counts those that worked; `attempt` is of the one under way."""

    owner: ClusterId
    detached: bool
    phase: Phase = "watching"
    reason: str = ""
    attempt: int = 0
    restarts: int = 0
    since: float = 0.0  # seconds of the epoch

    def is_alive(self) -> bool:
        return self.owner.process() is not None

    def __str__(self) -> str:
        """For `status`."""
        if self.phase == "gave up":
            return f"gave up: {self.reason}"
        if not self.is_alive():
            return "none: its process is gone; `mobula down` and `mobula up` start another"
        words = {
            "watching": "watching",
            "waiting": self.reason,
            "restarting": f"starting everything again, attempt {self.attempt}: {self.reason}",
        }
        return f"{words[self.phase]}{self._counted()}"

    def _counted(self) -> str:
        times = {0: "", 1: "once"}.get(self.restarts, f"{self.restarts} times")
        return f"; started everything again {times}" if times else ""


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
    """The supervisor that runs, if one does."""
    found = load(home)
    return found if found is not None and found.is_alive() else None


def stop(home: Path, clock: Clock | None = None) -> bool:
    """End a supervisor that was left behind, before what it watches is ended. Whether there was
    one. One that does not end by itself is killed."""
    found = alive(home)
    if found is None or not found.detached:
        return False
    clock = clock or SystemClock()
    alive_now = found.owner.processes
    for number in (signal.SIGTERM, signal.SIGKILL):
        send(number, alive_now())
        if wait_until_gone(alive_now, STOP_S, clock):
            break
    forget(home)
    return True
