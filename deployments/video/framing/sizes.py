"""Sizes: the shape of a source in, the crop's share of it and the output's pixels out."""

from deployments.contracts.clips import ASPECTS, AspectName, Quality
from deployments.contracts.media import MediaInfo

SAME_SHAPE = 0.02
_SHORT_SIDE: dict[Quality, int] = {"draft": 540, "standard": 720, "final": 1080}
_ENLARGED: dict[Quality, float] = {"draft": 1.0, "standard": 1.0, "final": 2.0}
_SMALLEST = 160  # hardware encoders refuse pictures narrower than about 146


def crop_share(info: MediaInfo, aspect: AspectName) -> tuple[float, float]:
    """Width and height of the largest crop of that aspect, as shares of the picture; (1, 1) if the
    shapes differ by at most 2 %, or without a picture."""
    video, (wide, high) = info.video, ASPECTS[aspect]
    if video is None:
        return 1.0, 1.0
    ratio = (wide * video.height) / (high * video.width)  # of the wanted shape to the source's
    if abs(ratio - 1) <= SAME_SHAPE:
        return 1.0, 1.0
    return (ratio, 1.0) if ratio < 1 else (1.0, 1 / ratio)


def output_size(
    info: MediaInfo, aspect: AspectName, quality: Quality, fit: bool = False
) -> tuple[int, int]:
    """Width and height to encode, both even: a shorter side of 540 (draft), 720 or 1080 (final).

    A crop with fewer pixels is not enlarged, in final at most to twice its size. If `fit`, the
    pixels of the whole picture count instead of the crop's. The waveform of a recording without a
    picture has the full size of the quality.
    """
    wide, high = ASPECTS[aspect]
    short: float = _SHORT_SIDE[quality]
    if info.video is not None:
        width, height = (1.0, 1.0) if fit else crop_share(info, aspect)
        across, down = width * info.video.width / wide, height * info.video.height / high
        source_pixels = max(across, down) * min(wide, high)
        short = min(short, max(_SMALLEST, source_pixels * _ENLARGED[quality]))
    return _even(short * wide / min(wide, high)), _even(short * high / min(wide, high))


def _even(length: float) -> int:
    return 2 * round(length / 2)
