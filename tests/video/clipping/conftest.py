"""A home that was set up, and a talk of 20 seconds."""

import shutil
from pathlib import Path

import pytest

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.settings import Settings
from load_tests.synthetic_recording import write_recording


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("talk") / "talk.mp4"
    write_recording(file, 20, 320, 180)
    return file


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("empty") / "home"
    bootstrap(home, Settings(home=home))
    return home


@pytest.fixture
def home(empty_home: Path, tmp_path: Path) -> Path:
    shutil.copytree(empty_home, tmp_path / "home")
    return tmp_path / "home"
