"""What is mended in the two channels of a clip's sound, and what is left as it is."""

import pytest

from deployments.video.render.channels import Channels, parse_channels, repair_of
from deployments.video.render.loudness import LoudnessMeasurement, for_both_channels
from deployments.video.render.workspace import is_unreadable

LOG = """[Parsed_astats_7 @ 0x5630] Channel: 1
[Parsed_astats_7 @ 0x5630] RMS level dB: -21.500000
[Parsed_astats_7 @ 0x5630] Channel: 2
[Parsed_astats_7 @ 0x5630] RMS level dB: -inf
[Parsed_astats_7 @ 0x5630] Channel: 3
[Parsed_astats_7 @ 0x5630] RMS level dB: -27.520600
"""


def test_levels_are_read_from_ffmpegs_log() -> None:
    assert parse_channels(LOG) == Channels(-21.5, -120.0, -27.5206)
    assert parse_channels("nothing of the kind") is None


@pytest.mark.parametrize(
    ("channels", "repair"),
    [
        (Channels(-21.5, -120.0, -27.5), "left"),
        (Channels(-120.0, -21.5, -27.5), "right"),
        (Channels(-20.0, -20.0, -80.0), "invert"),
        (Channels(-20.0, -20.0, -20.0), None),
        (Channels(-20.0, -20.0, -23.0), None),
        (Channels(-20.0, -40.0, -25.9), None),
        (Channels(-120.0, -120.0, -120.0), None),
        (None, None),
    ],
)
def test_only_what_is_lost_to_somebody_is_mended(
    channels: Channels | None, repair: str | None
) -> None:
    assert repair_of(channels) == repair


def test_one_channel_on_both_is_twice_as_loud() -> None:
    assert for_both_channels(LoudnessMeasurement(-23.0, -5.0)) == LoudnessMeasurement(-19.99, -5.0)
    assert for_both_channels(LoudnessMeasurement(None, None)) == LoudnessMeasurement(None, None)


@pytest.mark.parametrize(
    ("log", "unreadable"),
    [
        ("[in#0 @ 0x1] Error opening input: Invalid data found when processing input", True),
        ("[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] Task finished with error code: -1 (x)", True),
        ("[in#0/matroska @ 0x1] Terminating thread with return code -5 (Input/output error)", True),
        (
            "[Parsed_crop_0 @ 0x1] Invalid too big or non positive size for width '542'\n"
            "[fc#0 @ 0x1] Error reinitializing filters!\n"
            "[fc#0 @ 0x1] Task finished with error code: -22 (Invalid argument)",
            False,
        ),
        ("[vost#0:0/libx264 @ 0x1] Task finished with error code: -22 (Invalid argument)", False),
        ("[out#0/mp4 @ 0x1] Error opening output /c1o0.mp4: No such file or directory", False),
        ("[h264 @ 0x1] error while decoding MB 7 6\n[fc#0 @ 0x1] Task finished with error", False),
    ],
)
def test_only_a_demuxer_or_decoder_that_ended_is_damage(log: str, unreadable: bool) -> None:
    assert is_unreadable(log) is unreadable
