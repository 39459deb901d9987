"""ffmpeg's packet listing as times."""

from deployments.video.render.packets import Packet, parse_packets

LISTING = """#tb 0: 1/10
#media_type 0: video
0,        -2,        -1,        1,      3388, 0x4ff9b95e
0,        -1,         2,        1,      1099, 0x4c26ad99, F=0x0, S=1, MPEGTS Stream ID, 1, 0xe0
0,    NOPTS,     NOPTS,        1,       10, 0x0
0,         0,     NOPTS,        2,       10, 0x0, F=0x5
cut short, by
"""


def test_packets_are_listed_by_the_time_they_are_shown() -> None:
    assert parse_packets(LISTING) == (
        Packet(-0.1, 0.1, is_keyframe=True),
        Packet(0.0, 0.2, is_keyframe=True),
        Packet(0.2, 0.1, is_keyframe=False),
    )


def test_no_listing_means_no_packets() -> None:
    assert parse_packets("") == ()
