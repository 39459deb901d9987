"""What a report makes of measurements: each broken promise in words, and no others."""

import pytest

from deployments.contracts.clips import ClipReport, RenderFacts
from deployments.video.quality.checks import Expected, run_checks
from deployments.video.quality.measuring import Measured
from deployments.video.render.channels import Channels
from deployments.video.render.loudness import LoudnessMeasurement
from deployments.video.render.packets import Packet
from tests.media_fixtures.plans import clip

GOOD = LoudnessMeasurement(-14.2, -1.1)


def report(
    frames: int = 60,
    decoded: int | None = None,
    black: int = 0,
    sound: tuple[float, float] | None = (0.0, 2.0),
    heard: LoudnessMeasurement | None = GOOD,
    ssim: float | None = None,
    wants_sound: bool = True,
    channels: Channels | None = None,
    not_silent: str | None = None,
    before_captions: int | None = None,
    **facts: tuple[str, ...],
) -> ClipReport:
    packets = tuple(Packet(number / 30, 1 / 30, number == 0) for number in range(frames))
    whole = frames if decoded is None else decoded
    found = Measured(packets, whole, black, sound, heard, channels)
    wanted = Expected(wants_sound, not_silent, RenderFacts(before_captions, **facts))
    return run_checks(clip(start=1.0, end=3.0), found, ssim, wanted)


def test_a_good_clip_has_no_problems() -> None:
    good = report(ssim=0.98)
    assert good.problems == ()
    assert (good.frames, good.expected_frames, good.duration_s) == (60, 60, 2.0)
    assert (good.av_offset_ms, good.av_drift_ms) == (0, 0)
    assert (good.loudness, good.true_peak, good.ssim) == (-14.2, -1.1, 0.98)
    assert not good.partial


@pytest.mark.parametrize("frames", [59, 61])
def test_one_frame_more_or_less_is_rounding(frames: int) -> None:
    assert report(frames=frames, sound=(0.0, frames / 30)).problems == ()


def test_a_clip_that_ends_early_is_partial() -> None:
    short = report(frames=40, sound=(0.0, 40 / 30))
    assert short.partial
    assert short.problems == (
        "40 frames instead of 60: the recording ends early or is damaged there",
    )


def test_frames_that_cannot_be_decoded_make_it_partial() -> None:
    broken = report(decoded=58)
    assert broken.partial
    assert broken.problems == ("only 58 of 60 frames can be decoded",)


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        ((0.02, 2.02), "sound begins 20 ms after the picture"),
        ((-0.05, 1.95), "sound begins 50 ms before the picture"),
        ((0.0, 1.9), "sound ends 100 ms before the picture"),
        (None, "the sound is missing"),
    ],
)
def test_sound_off_its_picture_is_told(sound: tuple[float, float] | None, said: str) -> None:
    assert report(sound=sound).problems == (said,)


def test_a_silent_recording_needs_no_sound() -> None:
    assert report(sound=None, heard=None, wants_sound=False).problems == ()


def test_a_clip_at_another_loudness_is_told_but_silence_is_not() -> None:
    assert report(heard=LoudnessMeasurement(-16.0, -3.0)).problems == (
        "loudness is -16.0 LUFS instead of -14.0",
    )
    assert report(heard=LoudnessMeasurement(-60.0, -50.0)).problems == ()
    assert report(heard=LoudnessMeasurement(None, None)).problems == ()


def test_a_true_peak_over_full_scale_is_told() -> None:
    assert report(heard=LoudnessMeasurement(-14.0, 0.3)).problems == ("the true peak is +0.3 dBTP",)


def test_a_black_picture_is_told() -> None:
    assert report(black=31).problems == ("31 of 60 frames are black",)
    assert report(black=10).black_frames == 10
    assert report(black=10).problems == ()


def test_a_picture_unlike_its_source_is_told() -> None:
    assert report(ssim=0.5).problems == ("the picture is unlike its source (SSIM 0.500)",)


def test_black_pictures_are_counted_before_captions_are_drawn_on_them() -> None:
    """Captions made each of these frames other than black once they were burnt in."""
    captioned = report(black=0, before_captions=60)
    assert captioned.problems == ("60 of 60 frames are black",)


SILENT = LoudnessMeasurement(None, None)


def test_a_silent_clip_is_told_where_the_recording_has_sound() -> None:
    why = "though audio track 2 is not; audio_track chooses it"
    assert report(heard=SILENT, not_silent=why).problems == (f"the clip is silent, {why}",)
    assert report(heard=SILENT).problems == ()


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        (Channels(-20.0, -120.0, -26.0), "the sound is on one channel only"),
        (Channels(-120.0, -20.0, -26.0), "the sound is on one channel only"),
        (
            Channels(-20.0, -20.0, -90.0),
            "the sound vanishes where both channels are heard as one (mono)",
        ),
    ],
)
def test_sound_that_one_ear_or_one_loudspeaker_does_not_get_is_told(
    channels: Channels, said: str
) -> None:
    assert report(channels=channels).problems == (said,)


@pytest.mark.parametrize(
    "channels",
    [
        Channels(-20.0, -20.0, -20.0),
        Channels(-20.0, -30.0, -23.0),
        Channels(-20.0, -20.0, -23.0),
        Channels(-60.0, -120.0, -66.0),
    ],
    ids=["equal", "off the middle", "unrelated", "nothing but noise"],
)
def test_usual_stereo_is_no_problem(channels: Channels) -> None:
    assert report(channels=channels).problems == ()


def test_what_the_source_lacks_is_a_problem_and_what_was_mended_is_not() -> None:
    gap = "sound begins 1624 ms after the picture: it is silent until then"
    told = report(gaps=(gap,), repairs=("one channel was turned round",))
    assert told.problems == (gap,)
    assert told.repairs == ("one channel was turned round",)
