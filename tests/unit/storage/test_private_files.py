"""What lies in the home is its owner's alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.storage.files import make_private, write_for_owner_only
from tests.command_line import run_command


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_an_older_home_is_closed_when_it_is_made_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "logs").mkdir(parents=True)
    (home / "notes.txt").write_text("x")
    outside = tmp_path / "outside"
    outside.write_text("x")
    (home / "link").symlink_to(outside)

    monkeypatch.setenv("MOBULA_HOME", str(home))

    assert run_command(["bootstrap"]).exit_code == 0

    opened = [path.name for path in home.iterdir() if not path.is_symlink() and mode(path) & 0o077]
    assert opened == []
    assert (mode(home), mode(home / "logs"), mode(home / "notes.txt")) == (0o700, 0o700, 0o600)
    assert mode(outside) == 0o644


def test_what_is_made_from_then_on_is_private_too(tmp_path: Path) -> None:
    write_for_owner_only()

    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")

    assert (mode(tmp_path / "folder"), mode(tmp_path / "file")) == (0o700, 0o600)


def test_executable_bits_of_the_owner_stay(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    (tmp_path / "run").chmod(0o755)

    make_private(tmp_path)

    assert mode(tmp_path / "run") == 0o700


@pytest.mark.parametrize("command", ["bootstrap", "demo", "deploy"])
def test_commands_that_write_into_the_home_write_for_their_owner(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path / "home"))

    run_command([command])

    assert os.umask(0o077) == 0o077
