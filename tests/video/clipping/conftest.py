"""A talk of 20 seconds, a home that was set up, and one whose worker has made clips of the talk."""

import asyncio
import shutil
from pathlib import Path

import pytest

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.settings import Settings
from load_tests.synthetic_recording import build_transcript, write_recording
from tests.video.clipping.worker_harness import ClippedTalk, open_worker

TALK_S = 20


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("talk") / "talk.mp4"
    write_recording(file, TALK_S, 320, 180, fps=15)
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


@pytest.fixture(scope="session")
def clipped_talk(
    talk: Path, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> ClippedTalk:
    home = tmp_path_factory.mktemp("clipped") / "home"
    shutil.copytree(empty_home, home)

    async def clip() -> ClippedTalk:
        async with open_worker(home) as harness:
            spec = await harness.add_video(talk, build_transcript(TALK_S))
            job, parts = await harness.wait_until_ended(await harness.submit(spec))
            calls = harness.executor.calls
            return ClippedTalk(home, spec, job, parts, calls, harness.scratch_folders())

    return asyncio.run(clip())


@pytest.fixture
def clipped_home(clipped_talk: ClippedTalk, tmp_path: Path) -> Path:
    """A copy of the home with the talk, its analysis and its clips."""
    shutil.copytree(clipped_talk.home, tmp_path / "clipped-home")
    return tmp_path / "clipped-home"
