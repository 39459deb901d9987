"""Small recordings, made once a session, and a probe of them in a private folder."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.contracts.media import MediaInfo, MediaLimits
from deployments.sandbox import private_folder
from deployments.sandbox.binary import ffmpeg_binary
from deployments.video.probe.probe import probe
from tests.media_fixtures.recordings import make

Probe = Callable[..., MediaInfo]
Ffmpeg = Callable[..., Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The recording of a kind of tests/media_fixtures."""
    folder = tmp_path_factory.mktemp("recordings")
    return lambda kind: make(kind, folder)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    with private_folder(tmp_path / "work") as folder:
        yield folder


@pytest.fixture
def probed(work: Path) -> Probe:
    def look(path: Path, limits: MediaLimits | None = None) -> MediaInfo:
        return probe(path, work, limits)

    return look


@pytest.fixture
def ffmpeg(tmp_path: Path) -> Ffmpeg:
    """Runs ffmpeg; the last word is the file's name."""

    def run(*words: str | Path) -> Path:
        file = tmp_path / str(words[-1])
        command = [ffmpeg_binary(), "-v", "error", "-y", "-threads", "1", *words[:-1], file]
        subprocess.run([str(word) for word in command], check=True, timeout=60)
        return file

    return run
