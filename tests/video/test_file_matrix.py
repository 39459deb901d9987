"""The table of files that the world brings: each becomes a clip that is whole, in sync, and heard.

Odd sizes by framing and pixel format, orders of start by container and clip, several tracks, faults
of the channels. A few of each always run; all of them with `./mobula test --all`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from deployments.contracts.clips import (
    AspectName,
    ClipPlan,
    ClipReport,
    CropKeyframe,
    Framing,
    OutputPlan,
    RenderedFile,
)
from deployments.contracts.media import MediaInfo, MediaSource
from deployments.sandbox.errors import MediaIncomplete
from deployments.video.framing import frame, output_size
from deployments.video.probe.probe import probe
from deployments.video.probe.tracks import number_of, sound_of, with_sound
from deployments.video.quality import inspect
from deployments.video.render import render
from tests.media_fixtures.eyes import beeps, flashes, pictures, sound
from tests.media_fixtures.in_process import probe_in_process
from tests.media_fixtures.plans import never
from tests.media_fixtures.recordings import Recording, build, remux

SYNC_S = 0.025
PLACED_S = 0.045  # a frame, and what an AAC encoder puts before the first sample
FFV1 = ("-c:v", "ffv1", "-level", "3", "-pix_fmt")
TONE = "sine=frequency=330:sample_rate=48000:duration=6"
TIMED = ("-copyts", "-fps_mode", "passthrough")


def exhaustive(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.exhaustive)


def opened(path: Path) -> MediaSource:
    return MediaSource(path, probe_in_process(path), path.name)


def render_and_inspect(
    plan: ClipPlan, source: MediaSource, *, spoken: bool = False
) -> list[tuple[RenderedFile, ClipReport]]:
    """The videos of a plan with their reports."""
    folder = source.path.parent
    files = render(plan, source, folder, None, never)[::2]
    return [
        (each, inspect(each.path, plan, source, folder, never, facts=each.facts, has_speech=spoken))
        for each in files
    ]


# Odd sizes

SIZES = [(541, 303), (640, 361), (161, 90), (90, 161), (303, 541), (17, 9), (7, 5), (1, 1)]
PIXELS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "bgr0", "yuva420p"]
ASPECTS: tuple[AspectName, ...] = ("9:16", "1:1", "4:5", "16:9")


def forms() -> Iterator[object]:
    yield 541, 303, "yuv420p", ("9:16",)
    for width, height in SIZES:
        for pixels in PIXELS:
            yield exhaustive(width, height, pixels, ASPECTS)


def outputs(info: MediaInfo, aspects: tuple[AspectName, ...]) -> Iterator[OutputPlan]:
    """For each: the whole picture, a crop that stands still, one that moves, and both."""
    for aspect in aspects:
        still = frame(None, info, 0.0, 1.0, aspect, "follow")
        free = (1 - still.width, 1 - still.height)
        moving = (CropKeyframe(0.0, 0.0, 0.0), CropKeyframe(0.9, *free))
        for framing in (
            Framing(aspect, fit=True),
            still,
            replace(still, keys=moving),
            replace(still, keys=(CropKeyframe(0.0, *free),), fits=((0.3, 0.6),)),
        ):
            yield OutputPlan(framing, *output_size(info, aspect, "draft", framing.fit))


@pytest.mark.parametrize(("width", "height", "pixels", "aspects"), list(forms()))
def test_a_picture_of_any_size_and_form_becomes_clips_of_every_framing(
    tmp_path: Path, width: int, height: int, pixels: str, aspects: tuple[AspectName, ...]
) -> None:
    scaled = f"scale={width}:{height},setsar=1,format={pixels}"
    path = tmp_path / "odd.mkv"
    still = ("-f", "lavfi", "-i", f"testsrc2=s=320x180:r=10:d=1.2,{scaled}")
    remux(path, *still, "-f", "lavfi", "-i", TONE, "-t", "1.2", *FFV1, pixels, "-c:a", "aac")
    source = opened(path)
    assert source.info.video is not None
    assert (source.info.video.width, source.info.video.height) == (width, height)

    plan = ClipPlan(1, 0.0, 1.0, tuple(outputs(source.info, aspects)), quality="draft")
    for (file, report), output in zip(render_and_inspect(plan, source), plan.outputs, strict=True):
        assert report.problems == (), output
        assert (report.frames, report.black_frames) == (10, 0)
        _, luma = pictures(file.path)
        assert luma.shape == (10, output.height, output.width)


# Which of sound and picture begins first


@dataclass(frozen=True, slots=True)
class Order:
    """When picture and sound begin. Flashes and beeps are at every even second."""

    picture: float = 0.0
    sound: float = 0.0
    offset: float = 0.0


ORDERS = {
    "together": Order(),
    "sound first": Order(picture=2.2),
    "sound a little first": Order(picture=0.3),
    "picture first": Order(sound=1.5),
    "both later": Order(offset=7.0),
    "sound first, later": Order(picture=2.2, offset=7.0),
}
CONTAINERS = {"mp4": (), "mov": (), "mkv": (), "ts": ("-muxdelay", "0"), "webm": ()}
CODECS = {"webm": ("libvpx", "libopus")}
STARTS = (0.0, 0.7, 1.9, 3.3)
ALWAYS = {("sound first", "mp4", 0.0), ("sound first", "ts", 0.7), ("sound first", "mkv", 1.9)}


def begins() -> Iterator[object]:
    for order in ORDERS:
        for container in CONTAINERS:
            for start in STARTS:
                always = (order, container, start) in ALWAYS
                yield (order, container, start) if always else exhaustive(order, container, start)


@pytest.mark.parametrize(("name", "container", "start"), list(begins()))
def test_nothing_that_was_said_is_lost_whichever_begins_first(
    tmp_path: Path, name: str, container: str, start: float
) -> None:
    order = ORDERS[name]
    coded = CODECS.get(container, ("libx264", "aac"))
    recording = Recording(
        suffix=container,
        rate="25",
        shape=f"trim=start={order.picture}",
        sound=f"atrim=start={order.sound}",
        video=("-c:v", coded[0], "-g", "50", "-pix_fmt", "yuv420p", "-deadline", "realtime")
        if coded[0] == "libvpx"
        else ("-c:v", coded[0], "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p"),
        audio=("-c:a", coded[1]),
        mux=(*TIMED, *CONTAINERS[container], "-output_ts_offset", str(order.offset)),
    )
    source = opened(build(recording, tmp_path / f"file.{container}"))
    zero = min(order.picture, order.sound)  # what the recording's own clock begins at
    end = 5.6 - zero
    whole = OutputPlan(Framing("16:9", False, keys=(CropKeyframe(0.0, 0.0, 0.0),)), 160, 90)
    plan = ClipPlan(1, start, end, (whole,), quality="draft")
    [(file, report)] = render_and_inspect(plan, source)

    def within(begins: float) -> list[float]:
        """Even seconds from `begins` to the clip's end, by the clip's clock."""
        first = max(start + zero, begins - 1e-9)
        return [time - zero - start for time in (0.0, 2.0, 4.0) if first <= time < end + zero]

    beep_times = beeps(file.path)
    assert beep_times == pytest.approx(within(order.sound), abs=PLACED_S)
    flash_times = [time for time in flashes(file.path) if time > 0.1]
    expected = [time for time in within(order.picture) if time > 0.1]
    assert flash_times == pytest.approx(expected, abs=PLACED_S)
    for flash in flash_times:
        assert min(abs(beep - flash) for beep in beep_times) <= SYNC_S
    assert abs(report.duration_s - (end - start)) <= 0.041
    problems = [problem for problem in report.problems if problem.startswith("sound begins")]
    late = order.picture - zero - start
    silent = order.sound - zero - start
    assert bool(problems) == (max(late, silent) > 0.25)
    if problems:
        assert ("before the picture" in problems[0]) == (late > 0.25)
    assert report.loudness is not None


# Several tracks

SILENCE = "anullsrc=r=48000:cl=stereo:d=6"
MAIN = ("-map", "0:v", "-map", "1:a", "-map", "2:a")
TRACKS = {
    # name: (sounds, flags, the number that is right)
    "desktop silent, microphone second": ((SILENCE, TONE), ("-disposition:a:0", "default"), 2),
    "both sound, second is default": (
        ("sine=frequency=90:duration=6", TONE),
        ("-disposition:a:0", "0", "-disposition:a:1", "default"),
        2,
    ),
    "commentary first": (
        ("sine=frequency=90:duration=6", TONE),
        ("-disposition:a:0", "default+comment", "-disposition:a:1", "0"),
        2,
    ),
    "silent second": ((TONE, SILENCE), ("-disposition:a:1", "default"), 1),
}


def with_tracks(folder: Path, sounds: tuple[str, ...], *flags: str) -> MediaSource:
    inputs = [word for graph in sounds for word in ("-f", "lavfi", "-i", graph)]
    sight = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=6")
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-t", "6")
    return opened(remux(folder / "tracks.mkv", *sight, *inputs, *MAIN, *coded, *flags))


@pytest.mark.parametrize("name", [next(iter(TRACKS)), *map(exhaustive, list(TRACKS)[1:])], ids=str)
def test_of_several_tracks_the_one_that_is_meant_is_heard(tmp_path: Path, name: str) -> None:
    sounds, flags, number = TRACKS[name]
    source = with_tracks(tmp_path, sounds, *flags)
    chosen = sound_of(source.info)
    assert chosen is not None
    assert number_of(source.info, chosen) == number

    whole = OutputPlan(Framing("16:9", False, keys=(CropKeyframe(0.0, 0.0, 0.0),)), 160, 90)
    plan = ClipPlan(1, 0.5, 3.5, (whole,), quality="draft")
    [(file, report)] = render_and_inspect(plan, source)
    assert report.problems == ()
    assert report.loudness == pytest.approx(-14.0, abs=1.0)
    assert pitch(file.path) == pytest.approx(330, abs=5)

    if sounds[0] == SILENCE:  # and on demand the other
        with_first_track = replace(source, info=with_sound(source.info, 1, None))
        [(_, report)] = render_and_inspect(plan, with_first_track)
        why = "though audio track 2 is not; audio_track chooses it"
        assert report.problems == (f"the clip is silent, {why}",)


def pitch(path: Path) -> float:
    """The strongest frequency in Hz."""
    _, rate, samples = sound(path)
    spectrum = np.abs(np.fft.rfft(samples.mean(axis=0)))
    return float(spectrum.argmax() * rate / samples.shape[1])


# Faults of the channels, the picture and the file


@pytest.mark.parametrize(
    ("pan", "said"),
    [
        ("stereo|c0=c0|c1=0*c0", "left channel only"),
        exhaustive("stereo|c0=0*c0|c1=c0", "right channel only"),
        ("stereo|c0=c0|c1=-1*c0", "cancelled each other out in mono"),
    ],
)
def test_sound_that_half_of_the_listeners_would_miss_is_mended(
    tmp_path: Path, pan: str, said: str
) -> None:
    path = remux(
        tmp_path / "pan.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=4", "-f", "lavfi",
        "-i", TONE, "-t", "4", "-af", f"pan={pan}", "-c:v", "libx264", "-preset", "ultrafast",
        "-c:a", "aac",
    )  # fmt: skip
    whole = OutputPlan(Framing("16:9", False, keys=(CropKeyframe(0.0, 0.0, 0.0),)), 160, 90)
    [(file, report)] = render_and_inspect(
        ClipPlan(1, 0.5, 3.0, (whole,), quality="draft"), opened(path)
    )

    assert report.problems == ()
    assert said in report.repairs[0]
    assert report.loudness == pytest.approx(-14.0, abs=0.7)
    _, _, samples = sound(file.path)
    levels = [20 * np.log10(np.sqrt(np.mean(np.square(each)))) for each in samples]
    mono = 20 * np.log10(np.sqrt(np.mean(np.square(samples.mean(axis=0)))))
    assert levels[0] == pytest.approx(levels[1], abs=0.5)
    assert mono == pytest.approx(levels[0], abs=0.5)


def test_a_black_picture_is_reported_although_captions_are_drawn_on_it(tmp_path: Path) -> None:
    path = remux(
        tmp_path / "black.mp4", "-f", "lavfi", "-i", "color=black:s=160x90:r=10:d=2", "-c:v",
        "libx264", "-pix_fmt", "yuv420p",
    )  # fmt: skip
    ass = (
        "[Script Info]\nScriptType: v4.00+\nPlayResX: 160\nPlayResY: 90\n\n[V4+ Styles]\nFormat: "
        "Name, Fontname, Fontsize, PrimaryColour, Alignment\nStyle: Default,Inter,60,&H00FFFFFF,5"
        "\n\n[Events]\nFormat: Start, End, Style, Text\n"
        "Dialogue: 0:00:00.00,0:00:09.00,Default,MMMM\n"
    )
    whole = OutputPlan(Framing("16:9", False, keys=(CropKeyframe(0.0, 0.0, 0.0),)), 160, 90, ass)
    [(file, report)] = render_and_inspect(
        ClipPlan(1, 0.0, 1.5, (whole,), quality="draft"), opened(path)
    )

    _, luma = pictures(file.path)
    assert luma.max() > 200  # there are captions
    assert report.black_frames == report.frames
    assert report.problems == (f"{report.frames} of {report.frames} frames are black",)


def test_a_recording_without_its_index_is_refused_as_incomplete(tmp_path: Path) -> None:
    whole = build(Recording(), tmp_path / "whole.mp4").read_bytes()
    short = tmp_path / "short.mp4"
    short.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(MediaIncomplete, match=r"its index \(moov\) is missing") as refused:
        probe(short, tmp_path)
    assert (refused.value.status, refused.value.slug) == (422, "media-incomplete")
