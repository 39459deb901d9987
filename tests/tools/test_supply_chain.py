"""What is installed is what was tested, down to the last package that another one brings.

The class of incident: in March 2026 two releases of a gateway were replaced on the package index;
whoever installed without exact versions got them.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXACT = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!]+)")
INSTALLERS = {"pip", "setuptools", "wheel"}  # of the environment, not of ours


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [EXACT.fullmatch(line) for line in lines if line and not line.startswith("#")]
    assert all(pins), "a line that is no exact version"
    return {canonicalize_name(pin[1]): pin[2] for pin in pins if pin}


def closure(requirements: list[str]) -> set[str]:
    """Every installed package that these bring, by its canonical name."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *sorted(wanted.extras)):
            key = (canonicalize_name(wanted.name), extra)
            if key not in found:
                found.add(key)
                waiting.extend(brought(wanted.name, extra))
    return {name for name, _ in found}


def brought(name: str, extra: str) -> Iterator[Requirement]:
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if applies and is_installed(requirement.name):
            yield requirement


def is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


@pytest.mark.parametrize("group", ["runtime", "dev"])
def test_every_package_is_pinned_to_the_version_that_is_installed(group: str) -> None:
    extras = PROJECT["optional-dependencies"]
    named = PROJECT["dependencies"] if group == "runtime" else extras[group]
    pins, packages = constraints(), closure(named) - INSTALLERS

    assert len(packages) > len(named)
    assert sorted(packages - pins.keys()) == []
    installed = {name: Version(distribution(name).version).public for name in packages}
    assert {name: pins[name] for name in packages} == installed


def test_the_launcher_installs_with_the_pins() -> None:
    launcher = (ROOT / "mobula").read_text()

    installs = [
        line for line in launcher.splitlines() if "pip_install" in line and "()" not in line
    ]
    assert installs
    assert "constraints.txt" in launcher
