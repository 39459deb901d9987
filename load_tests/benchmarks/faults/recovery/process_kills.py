"""Killing one process of a launched cluster, and how long until all is well again.

Flows in: a launcher whose cluster runs. Flows out: a `Recovery`. `kill -9` it is, and time counts
from there.
"""

import contextlib
import time
from dataclasses import dataclass

import httpx

from cluster.ops import supervision as supervisions
from cluster.ops.roles import FATAL, Role, by_role
from cluster.ops.supervision import Supervision
from load_tests.benchmarks.common.mobula_command import MobulaCommand, wait_for

NOTICED_S = 3.0
PART_S, IDLE_S, LOADED_S = 10.0, 30.0, 45.0  # what issue and guide promise
PATIENCE_S = 300.0  # until a measurement is given up


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the kill: until the supervisor knew, until `/readyz` answered 200 and the
    supervisor was content, and how long `/readyz` did not answer 200 meanwhile."""

    role: Role
    noticed_s: float
    back_s: float
    away_s: float


def promised_recovery_s(role: Role, clients: int) -> float:
    """Seconds within which it is back."""
    if role not in FATAL:
        return PART_S
    return LOADED_S if clients else IDLE_S


def load_supervision(cluster: MobulaCommand) -> Supervision:
    supervision = supervisions.load(cluster.home)
    assert supervision is not None, "nobody supervises the cluster"
    return supervision


def is_ready(cluster: MobulaCommand) -> bool:
    url = f"http://127.0.0.1:{cluster.ports.http}/readyz"
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == 200
    return False


def kill(cluster: MobulaCommand, role: Role) -> None:
    """Every process of that role. AssertionError where there is none."""
    processes = by_role(cluster.state().id).get(role, [])
    assert processes, f"there is no {role}"
    for process in processes:
        process.kill()


def kill_and_recover(cluster: MobulaCommand, role: Role) -> Recovery:
    """AssertionError where it is not noticed, or not back, within PATIENCE_S."""
    before = load_supervision(cluster).since
    kill(cluster, role)
    began = time.monotonic()
    noticed = wait_for(
        lambda: load_supervision(cluster).since > before, f"{role} to be missed", PATIENCE_S
    )
    last, away = began, 0.0

    def all_is_well() -> bool:
        nonlocal last, away
        ready, now = is_ready(cluster), time.monotonic()
        away, last = (away if ready else away + now - last), now
        return ready and load_supervision(cluster).phase == "watching"

    wait_for(all_is_well, "everything to be back", PATIENCE_S)
    return Recovery(role, noticed, time.monotonic() - began, away)
