"""How a part of a clip fills its output: a crop that may move, or the whole picture over a blur.

Sizes are even, pixels square; the source's own pixels need not be.
"""

from collections.abc import Sequence
from typing import Any

from deployments.clipper.render.colour import can_crop_between_chroma
from deployments.clipper.render.cropping import Stretch
from deployments.contracts.clips import OutputPlan
from deployments.contracts.media import VideoTrack

Stream = Any  # ffmpeg-python has no types
_BACKGROUND = 8  # times smaller than the output: a blur is cheap there and looks the same


def cropped(
    source: Stream, track: VideoTrack, output: OutputPlan, part: Stretch, stem: str, moves: bool
) -> Stream:
    """The crop of `part`, moved by the commands in `<stem>.cmd`. Filter: `crop@<stem>`."""
    _, x, y = part.places[0]
    if moves:
        source = source.filter("sendcmd", f=f"{stem}.cmd")
    window = {"w": _even_share("iw", output.framing.width)}
    window |= {"h": _even_share("ih", output.framing.height), "x": f"iw*{x:.6f}"}
    exact = int(can_crop_between_chroma(track.pixel_format))
    source = source.filter(f"crop@{stem}", **window, y=f"ih*{y:.6f}", exact=exact)
    return _sized(source, output.width, output.height, "bicubic")


def fitted(source: Stream, track: VideoTrack, output: OutputPlan) -> Stream:
    """The whole picture over a blurred copy of itself that covers the output."""
    wide, high = output.width / track.width, output.height / track.height
    width, height = _even(track.width * min(wide, high)), _even(track.height * min(wide, high))
    if (width, height) == (output.width, output.height):
        return _sized(source, width, height, "bicubic")
    behind, before = copies(source, 2)
    window = {"w": _even_share("iw", wide / max(wide, high))}
    behind = behind.filter("crop", **window, h=_even_share("ih", high / max(wide, high)))
    small = (_even(output.width / _BACKGROUND), _even(output.height / _BACKGROUND))
    behind = _sized(behind, *small, "fast_bilinear").filter("gblur", sigma=3)
    behind = _sized(behind, output.width, output.height, "bilinear")
    before = _sized(before, width, height, "bicubic")
    return behind.overlay(
        before, x=_even((output.width - width) / 2, 0), y=_even((output.height - height) / 2, 0)
    )


def copies(source: Stream, number: int) -> Sequence[Stream]:
    if number == 1:
        return (source,)
    split = source.filter_multi_output("split", number)
    return tuple(split[each] for each in range(number))


def _sized(source: Stream, width: int, height: int, kernel: str) -> Stream:
    scaled = source.filter("scale", w=width, h=height, flags=kernel, out_range="tv")
    return scaled.filter("setsar", 1)


def _even_share(length: str, share: float) -> str:
    return f"max(2,2*round({length}*{share:.6f}/2))"


def _even(length: float, least: int = 2) -> int:
    return max(least, 2 * round(length / 2))
