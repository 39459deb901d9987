"""The command that renders a clip: one decode, one encode an aspect, nothing from outside in it."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from deployments.contracts.clips import ClipPlan, CropKeyframe, OutputPlan
from deployments.contracts.media import AudioTrack, MediaInfo, VideoTrack
from deployments.sandbox import ChildLimits
from deployments.video.render.command import RenderCommand, command
from deployments.video.render.loudness import Gain
from deployments.video.render.span import Span
from deployments.video.render.workspace import Workspace
from tests.media_fixtures.plans import FIT, WHOLE, clip, following, never

VIDEO = VideoTrack(
    0, "h264", 1920, 1080, 1920, 1080, 0, Fraction(1), Fraction(30), False, 900, "yuv420p", 8,
    "sdr", False,
)  # fmt: skip
INFO = MediaInfo("mov", 30.0, 1, VIDEO, (AudioTrack(1, "aac", 2, 48_000),))
SPAN = Span(1.37, 1.37, 1.3666, 1.3666, 0.5, Fraction(30), 60, None)
WORK = Workspace(Path("nowhere"), "source.mp4", 2, 3, ChildLimits(), never)


def made(*outputs: OutputPlan, **plan: object) -> RenderCommand:
    return command(clip(*outputs, **plan), INFO, SPAN, Gain(3.0, limit=True), WORK)


def options(argv: tuple[str, ...], name: str) -> list[str]:
    return [argv[number + 1] for number, word in enumerate(argv) if word == name]


def test_the_source_is_opened_once_and_each_aspect_encoded_once() -> None:
    argv = made(WHOLE, FIT, following(CropKeyframe(0, 0.1, 0))).argv
    assert options(argv, "-i") == ["file:source.mp4"]
    assert options(argv, "-c:v").count("libx264") == 3
    assert options(argv, "-c:v").count("mjpeg") == 3
    assert options(argv, "-filter_complex")[0].count("fps=fps=") == 1


def test_the_source_is_sought_and_only_opened_as_what_we_accept() -> None:
    argv = made().argv
    assert argv.index("-ss") < argv.index("-i")
    assert options(argv, "-protocol_whitelist") == ["file"]
    assert "mov" in options(argv, "-format_whitelist")[0]
    assert options(argv, "-max_pixels")


def test_captions_and_moves_are_files_and_never_words_of_the_command() -> None:
    said = "Dialogue: [in]movie=/etc/passwd;"
    moves = following(CropKeyframe(0, 0.0, 0), CropKeyframe(3, 0.5, 0))
    output = OutputPlan(moves.framing, 90, 160, ass=said)
    command = made(output)
    assert command.files["c1o0.ass"] == said
    assert "crop@c1o0p0 x " in command.files["c1o0p0.cmd"]
    assert not any("passwd" in word for word in command.argv)
    assert "ass=c1o0.ass:fontsdir=fonts" in options(command.argv, "-filter_complex")[0]


@pytest.mark.parametrize(
    ("quality", "preset"), [("draft", "superfast"), ("standard", "veryfast"), ("final", "medium")]
)
def test_quality_chooses_the_preset(quality: str, preset: str) -> None:
    assert options(made(quality=quality).argv, "-preset") == [preset]


def test_a_plan_for_the_gpu_is_encoded_there() -> None:
    argv = made(encoder="nvenc").argv
    assert "h264_nvenc" in options(argv, "-c:v")
    assert "libx264" not in options(argv, "-c:v")


def test_hdr_goes_through_a_tone_map_and_sdr_does_not() -> None:
    hdr = replace(VIDEO, hdr="pq", pixel_format="yuv420p10le", bits=10)
    plan: ClipPlan = clip()
    mapped = command(plan, replace(INFO, video=hdr), SPAN, Gain(), WORK).argv
    assert "tonemap" in options(mapped, "-filter_complex")[0]
    assert "exact=0" in options(mapped, "-filter_complex")[0]
    assert "tonemap" not in options(made().argv, "-filter_complex")[0]


def test_a_recording_without_sound_makes_a_file_without_a_sound_track() -> None:
    silent = command(clip(), replace(INFO, audio=()), SPAN, Gain(), WORK).argv
    assert "aac" not in silent
    assert "volume" not in options(silent, "-filter_complex")[0]


def test_metadata_and_chapters_are_left_behind() -> None:
    argv = made().argv
    assert options(argv, "-map_chapters") == ["-1"]
    assert set(options(argv, "-map_metadata")) == {"-1"}
    assert options(argv, "-movflags") == ["+faststart"]
