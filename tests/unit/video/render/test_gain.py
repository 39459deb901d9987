"""How loud a clip gets: the gain from what was heard."""

import pytest

from deployments.video.render.loudness import (
    Gain,
    LoudnessMeasurement,
    gain_to,
    is_limiting,
    makeup_gain,
    parse_loudness,
)

LOG = """  title: I: -1.0 LUFS
[Parsed_ebur128_0 @ 0x1] Summary:

  Integrated loudness:
    I:         -23.4 LUFS
    Threshold: -33.4 LUFS

  True peak:
    Peak:       -3.5 dBFS
"""


def test_loudness_is_read_from_the_summary_and_nowhere_else() -> None:
    assert parse_loudness(LOG) == LoudnessMeasurement(-23.4, -3.5)
    assert parse_loudness("title: I: -1.0 LUFS") == LoudnessMeasurement(None, None)


@pytest.mark.parametrize("said", ["-70.0 LUFS", "-inf LUFS", "nan LUFS"])
def test_silence_has_no_loudness(said: str) -> None:
    heard = parse_loudness(f"Summary:\n    I:  {said}\n  Peak:  -inf dBFS\n")
    assert heard == LoudnessMeasurement(None, None)


def test_a_clip_is_brought_to_its_target() -> None:
    assert gain_to(-14.0, LoudnessMeasurement(-23.4, -20.0)) == Gain(9.4, limit=False)


def test_peaks_that_would_pass_the_ceiling_are_limited() -> None:
    assert gain_to(-14.0, LoudnessMeasurement(-23.4, -3.5)).limit
    assert gain_to(-14.0, LoudnessMeasurement(-8.0, 0.5)) == Gain(-6.0, limit=False)


@pytest.mark.parametrize(
    "heard", [LoudnessMeasurement(None, None), LoudnessMeasurement(-60.0, -40.0)]
)
def test_silence_and_bare_noise_are_not_amplified(heard: LoudnessMeasurement) -> None:
    assert gain_to(-14.0, heard) == Gain(0.0, limit=False)


def test_gain_is_bounded() -> None:
    assert gain_to(-14.0, LoudnessMeasurement(-54.0, -50.0)).db == 30.0


def test_no_target_leaves_the_level_alone() -> None:
    assert gain_to(None, LoudnessMeasurement(-30.0, -20.0)) == Gain(0.0, limit=False)


def test_what_a_hard_limiter_takes_is_made_up_for() -> None:
    gain = gain_to(-14.0, LoudnessMeasurement(-30.0, -1.0))
    assert is_limiting(gain, LoudnessMeasurement(-30.0, -1.0))
    assert makeup_gain(gain, -14.0, LoudnessMeasurement(-16.5, -2.0)).db == pytest.approx(
        gain.db + 2.5
    )
