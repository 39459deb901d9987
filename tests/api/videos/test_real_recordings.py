"""Recordings as they are, looked at by the real probe in its sandbox."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deployments.sandbox.binary import ffmpeg_binary
from deployments.video.probe.probe import probe
from tests.api.videos.media_world import World, opened
from tests.api.videos.tus_client import begin, send
from tests.api.web import MakeServices

VIDEOS = "/api/v1/videos"


@pytest.fixture(scope="session")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of a test picture with a tone, 160x90 at 25 a second."""
    file: Path = tmp_path_factory.mktemp("mp4") / "a.mp4"
    picture, tone = "testsrc2=s=160x90:r=25:d=1", "sine=d=1"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    made = ["-preset", "ultrafast", "-pix_fmt", "yuv420p", "-y", str(file)]
    subprocess.run([ffmpeg_binary(), "-v", "error", *inputs, *made], check=True)
    return file.read_bytes()


@pytest.fixture
async def world(make_services: MakeServices, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path, make_services(), probe) as world:
        yield world


async def test_what_a_file_holds_is_told(client: httpx.AsyncClient, mp4: bytes) -> None:
    answer = await client.post(VIDEOS, files={"file": ("a.mp4", mp4)})
    assert answer.status_code == 413  # of this world's forms
    at = await begin(client, len(mp4))
    for offset in range(0, len(mp4), 16_000):
        last = await send(client, at, offset, mp4[offset : offset + 16_000])

    media = (await client.get(f"{VIDEOS}/{last.headers['mobula-video']}")).json()["media"]
    assert media["duration_s"] == pytest.approx(1.0, abs=0.1)
    assert media["picture"] == {
        "codec": "h264", "width": 160, "height": 90, "fps": 25.0, "variable_fps": False,
        "rotation": 0, "hdr": "sdr",
    }  # fmt: skip
    assert [track["codec"] for track in media["sound"]] == ["aac"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"ffconcat version 1.0\nfile 'sibling.mp4'\n", id="a list of other files"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="a drawing"),
    ],
)
async def test_what_is_no_recording_is_refused_and_not_kept(
    client: httpx.AsyncClient, world: World, data: bytes
) -> None:
    answer = await client.post(VIDEOS, files={"file": ("a.mp4", data, "video/mp4")})
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (415, "media-refused")
    assert await world.stored() == 0
    assert list((world.folder / "scratch").iterdir()) == []


async def test_a_recording_that_was_cut_short_before_its_index_is_refused(
    client: httpx.AsyncClient, world: World, mp4: bytes
) -> None:
    cut = mp4[:3000]
    answer = await client.post(VIDEOS, files={"file": ("a.mp4", cut, "video/mp4")})
    assert 400 <= answer.status_code < 500
    assert await world.stored() == 0
