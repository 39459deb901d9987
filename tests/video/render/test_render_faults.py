"""Whose fault it is that ffmpeg fails: the recording's, or ours."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.contracts.media import MediaSource
from deployments.sandbox import ChildLimits
from deployments.sandbox.errors import MediaDamaged, RenderFailed
from deployments.sandbox.inputs import ffmpeg_input
from deployments.video.render.workspace import Workspace
from tests.media_fixtures.plans import never

Recordings = Callable[[str], MediaSource]


def run(folder: Path, name: str, *words: str) -> None:
    work = Workspace(folder, name, 1, 1, ChildLimits(), never)
    work.run([*work.ffmpeg("-v", "warning"), *ffmpeg_input(name), *words])


@pytest.mark.parametrize(
    "words",
    [
        ("-vf", "crop=w=9999:h=2", "-f", "null", "-"),
        ("-vf", "scale=101:101", "-c:v", "libx264", "-pix_fmt", "yuv420p", "odd.mp4"),
        ("-map", "0:7", "-f", "null", "-"),
        ("-f", "no-such-format", "-"),
    ],
    ids=["filter", "encoder", "stream", "option"],
)
def test_a_command_that_cannot_be_done_is_our_fault(
    recording: Recordings, words: tuple[str, ...]
) -> None:
    source = recording("plain")
    with pytest.raises(RenderFailed) as failed:
        run(source.path.parent, source.path.name, *words)
    assert (failed.value.status, failed.value.slug) == (500, "render-failed")


def test_a_file_that_cannot_be_read_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom" + bytes(5_000))
    with pytest.raises(MediaDamaged):
        run(tmp_path, "broken.mp4", "-f", "null", "-")
