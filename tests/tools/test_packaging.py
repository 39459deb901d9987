"""What `pip install .` installs, and where an installed Mobula keeps and finds its files."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from cluster.runtime import installation
from cluster.runtime.settings import ROOT, Settings, process_environment

PACKAGES = ("cluster", "deployments", "graphs", "load_tests", "training")


@pytest.fixture(scope="module")
def wheel() -> Mapping[str, Path]:
    """The files of the wheel: their path in it, and in the repository."""
    files = WheelBuilder(str(ROOT)).recurse_included_files()
    return {file.distribution_path: Path(file.path) for file in files}


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Mapping[str, Path]) -> None:
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }

    assert sorted(expected - wheel.keys()) == []
    others = {path for path in wheel.keys() - expected if not path.startswith("cluster/shipped/")}
    assert sorted(others) == []


def test_every_package_has_types(wheel: Mapping[str, Path]) -> None:
    present = {package for package in PACKAGES if (ROOT / package).is_dir()}

    assert {path.split("/")[0] for path in wheel if path.endswith("/py.typed")} == present


@pytest.mark.parametrize("name", ["serve_config.yaml", "docs/examples/caption_job.py"])
def test_a_file_beside_the_packages_is_found_in_a_clone_and_when_installed(
    name: str, wheel: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_clone = installation.shipped_file(name)
    monkeypatch.setattr(installation, "IN_CLONE", False)
    installed = installation.shipped_file(name).relative_to(ROOT)

    assert wheel[str(installed)] == in_clone


def test_an_installed_mobula_keeps_its_state_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOBULA_HOME", raising=False)
    monkeypatch.setattr(installation, "IN_CLONE", False)
    monkeypatch.chdir(tmp_path)

    assert Settings().home == tmp_path / ".mobula"


def test_a_configuration_in_the_working_directory_goes_before_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "IN_CLONE", False)
    monkeypatch.chdir(tmp_path)
    shipped = installation.default_config()
    own = tmp_path / "serve_config.yaml"
    own.touch()

    assert shipped != own
    assert installation.default_config() == own


def test_the_command_of_the_wheel_is_the_launchers(tmp_path: Path) -> None:
    entry = WheelBuilder(str(ROOT)).metadata.core.scripts["mobula"]
    module, _, function = entry.partition(":")
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    result = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        cwd=tmp_path,
        env=process_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.count("Usage: mobula") == 1
