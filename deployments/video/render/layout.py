"""Layout of an output: a crop that may move, or the whole picture over a blurred copy.

Sizes are even, pixels square; the source's own pixels need not be.
"""

from collections.abc import Sequence
from typing import Any

from deployments.contracts.clips import OutputPlan
from deployments.contracts.media import VideoTrack
from deployments.video.render.colour import can_crop_between_chroma
from deployments.video.render.cropping import CropSegment
from deployments.video.render.rectangles import (
    MIN_SIDE,
    centred,
    covering_share,
    crop_size,
    even_below,
    fitted_size,
)

Stream = Any  # ffmpeg-python has no types
_BACKGROUND_SCALE = 8  # times smaller than the output: a cheaper blur that looks the same


def stored_size(track: VideoTrack) -> tuple[int, int]:
    """Width and height of the stored picture after rotation; at least two pixels each, to which
    smaller pictures are scaled first."""
    pixels = (max(MIN_SIDE, track.coded_width), max(MIN_SIDE, track.coded_height))
    return pixels if track.rotation % 180 == 0 else pixels[::-1]


def crop_filters(
    source: Stream, track: VideoTrack, output: OutputPlan, part: CropSegment, stem: str, moves: bool
) -> Stream:
    """The crop of `part`, moved by the commands in `<stem>.cmd`. Filter: `crop@<stem>`."""
    _, x, y = part.positions[0]
    if moves:
        source = source.filter("sendcmd", f=f"{stem}.cmd")
    width, height = crop_size(stored_size(track), (output.framing.width, output.framing.height))
    exact = int(can_crop_between_chroma(track.pixel_format))
    source = source.filter(f"crop@{stem}", w=width, h=height, x=x, y=y, exact=exact)
    return _scale(source, output.width, output.height, "bicubic")


def blur_fit_filters(source: Stream, track: VideoTrack, output: OutputPlan) -> Stream:
    """The whole picture over a blurred copy of itself that covers the output."""
    picture_size, output_size = (track.width, track.height), (output.width, output.height)
    size = fitted_size(picture_size, output_size)
    if size == output_size:
        return _scale(source, *size, "bicubic")
    background, foreground = split_stream(source, 2)
    width, height = crop_size(stored_size(track), covering_share(picture_size, output_size))
    background = background.filter("crop", w=width, h=height)
    background_size = [
        max(MIN_SIDE, even_below(length / _BACKGROUND_SCALE)) for length in output_size
    ]
    background = _scale(background, background_size[0], background_size[1], "fast_bilinear").filter(
        "gblur", sigma=3
    )
    background = _scale(background, *output_size, "bilinear")
    foreground = _scale(foreground, *size, "bicubic")
    position = centred(size, output_size)
    return background.overlay(foreground, x=position.x, y=position.y)


def split_stream(source: Stream, number: int, kind: str = "split") -> Sequence[Stream]:
    """`number` copies of a stream; `kind` is "asplit" for sound."""
    if number == 1:
        return (source,)
    split = source.filter_multi_output(kind, number)
    return tuple(split[each] for each in range(number))


def _scale(source: Stream, width: int, height: int, kernel: str) -> Stream:
    scaled = source.filter("scale", w=width, h=height, flags=kernel, out_range="tv")
    return scaled.filter("setsar", 1)
