"""Servers that the tests start for themselves, installed when they are missing and it may be done.

Flows in: what this machine has. Flows out: whether everything is there. Where it is not and cannot
be installed, tests that need it skip (or fail, in CI), so nothing is fatal here.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.cli.screen import print_plain
from cluster.settings import process_environment

TIERS = frozenset({"contract", "cluster", "chaos"})  # what needs them
PACKAGES = {"redis-server": "redis-server", "initdb": "postgresql"}  # by the program in it
LIMIT_S = 600
# No questions, and no server that starts by itself and holds a port.
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def _has(program: str) -> bool:
    """On the path, or where Debian keeps PostgreSQL's programs."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return shutil.which(program) is not None or any((each / program).exists() for each in folders)


def _run(command: Sequence[str]) -> int:
    """The exit code; output is kept back. 1 when it takes too long or cannot be started."""
    try:
        return subprocess.run(
            command,
            env=process_environment(QUIET),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LIMIT_S,
            check=False,
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return 1


@dataclass(frozen=True, slots=True)
class Machine:
    """What can be asked of this machine; tests pass another."""

    has: Callable[[str], bool] = _has
    run: Callable[[Sequence[str]], int] = _run
    is_root: Callable[[], bool] = lambda: os.geteuid() == 0


def ensure(machine: Machine | None = None) -> bool:
    """Install the packages of missing programs with apt-get; whether all are there now."""
    machine = machine or Machine()
    missing = [package for program, package in PACKAGES.items() if not machine.has(program)]
    if not missing:
        return True
    names = " and ".join(missing)
    if not machine.is_root() or not machine.has("apt-get"):
        print_plain(
            f"{names} not installed, and only root can with apt-get: tests that need them skip"
        )
        return False
    print_plain(f"installing {names} with apt-get, once, for the tests")
    machine.run(["apt-get", "update", "-qq"])
    machine.run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *missing])
    left = [package for program, package in PACKAGES.items() if not machine.has(program)]
    if left:
        print_plain(f"apt-get could not install {' and '.join(left)}: tests that need them skip")
    return not left
