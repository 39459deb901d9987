"""What headers would say of recordings that nobody made."""

from fractions import Fraction

from deployments.contracts.media import AudioTrack, MediaInfo, VideoTrack


def picture(duration: float, width: int = 320, height: int = 180) -> MediaInfo:
    """A plain recording with a picture and sound."""
    track = VideoTrack(
        0, "h264", width, height, width, height, 0, Fraction(1), Fraction(25), False, None,
        "yuv420p", 8, "sdr", False,
    )  # fmt: skip
    return MediaInfo("mov,mp4", duration, 1000, track, (AudioTrack(1, "aac", 2, 48_000),))


def sound(duration: float) -> MediaInfo:
    """A recording without a picture."""
    return MediaInfo("mp3", duration, 1000, None, (AudioTrack(0, "mp3", 2, 48_000),))
