"""Colour conversion: pixel format and transfer in, filters to opaque SDR out."""

from typing import Any

from deployments.contracts.media import Hdr

_ALPHA = ("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "pal8", "ayuv", "vuya")
_PLANAR_8BIT = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p")
_RGB = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr")
_FEWER_CHROMA = ("420", "422", "411", "410", "440", "nv", "p0", "p2", "yuyv", "uyvy", "yvyu", "y2")
_BT709 = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}
_TRANSFER = {"pq": "smpte2084", "hlg": "arib-std-b67"}
WHITE_NITS = 203  # HDR's diffuse white (ITU-R BT.2408), which becomes SDR's white
Stream = Any


def can_crop_between_chroma(pixel_format: str) -> bool:
    """Whether ffmpeg's crop can start at an odd pixel (`exact`): with more than a byte a sample it
    splits chroma samples."""
    return pixel_format in _PLANAR_8BIT


def crop_step(pixel_format: str) -> int:
    """The pixels between possible crop positions."""
    has_fewer = any(part in pixel_format for part in _FEWER_CHROMA)
    return 2 if has_fewer and not can_crop_between_chroma(pixel_format) else 1


def to_yuv420(source: Stream, pixel_format: str) -> Stream:
    """YUV without transparency: transparent pixels turn black. RGB becomes BT.709."""
    has_alpha = pixel_format.startswith(_ALPHA)
    if pixel_format.startswith(_RGB):
        source = source.filter("scale", out_color_matrix="bt709", out_range="tv")
        source = source.filter("format", "yuva444p" if has_alpha else "yuv444p")
        source = source.filter("setparams", range="tv", **_BT709)
    elif has_alpha:
        source = source.filter("format", "yuva444p")
    return source.filter("premultiply", inplace=1) if has_alpha else source


def to_sdr(source: Stream, hdr: Hdr) -> Stream:
    """BT.709 in 8 bits. SDR keeps its own colour tags."""
    if hdr == "sdr":
        return source.filter("format", "yuv420p")
    light = {"tin": _TRANSFER[hdr], "pin": "bt2020", "min": "2020_ncl", "t": "linear"}
    return (
        source.filter("zscale", npl=WHITE_NITS, **light)
        .filter("format", "gbrpf32le")
        .filter("zscale", p="bt709")
        .filter("tonemap", tonemap="mobius", param=0.6, peak=5, desat=0)
        .filter("zscale", t="bt709", m="bt709", r="tv")
        .filter("format", "yuv420p")
    )
