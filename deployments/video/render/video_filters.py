"""The filter graph of a clip's pictures: one stream of decoded frames in, one per output out.

Steps: 1 whole frames (deinterlaced), 2 the span's frames at a constant rate, 3 a copy for each
output, 4 crop or fit, at the output's size with square pixels, 5 SDR, 6 a copy for thumbnails, 7
captions. A recording without a picture shows its sound as a moving waveform.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from deployments.contracts.clips import OutputPlan
from deployments.contracts.media import VideoTrack
from deployments.video.render.colour import crop_step, to_sdr, to_yuv420
from deployments.video.render.cropping import CropSegment, commands, crop_segments
from deployments.video.render.layout import (
    Stream,
    blur_fit_filters,
    crop_filters,
    split_stream,
    stored_size,
)
from deployments.video.render.span import Span

BLACK = {"amount": 98, "threshold": 27}  # % of the pixels, luma from 16 on: 12 of 255 in full range
FONTS = "fonts"
THUMBNAILS = 5
_FIRST_SHARE, _LAST_SHARE = 0.1, 0.8  # of the clip, between which thumbnails are taken


_WAVE = "0x4CC3FF"
_WAVE_SHARE = 3  # the wave takes one part in three of the height


@dataclass(frozen=True, slots=True)
class VideoOutput:
    """`picture` is encoded, `candidates` are frames to choose a thumbnail from; `files` (name:
    text) have to be in the folder when the graph runs."""

    picture: Stream
    candidates: Stream
    files: Mapping[str, str]


def frames(source: Stream, track: VideoTrack, span: Span) -> Stream:
    """The span's frames, at its rate, from 0 on; the last is held if the source ends a little
    early, and the first is shown from the beginning if it started earlier or comes late."""
    if track.interlaced:
        source = source.filter("bwdif", mode="send_frame", deint="interlaced")
    first = span.first - span.zero - span.interval / 4
    held_frames = round(span.rate * Fraction(span.held)) + 1
    width, height = stored_size(track)
    source = (
        source.filter("scale", w=width, h=height)  # does nothing unless the size changes midway
        .filter("trim", start=f"{first:.6f}")
        .filter("setpts", f"max(0,PTS-{span.lead:.6f}/TB)")
        .filter("fps", fps=_rate_text(span.rate), start_time=0)
        .filter("tpad", stop_mode="clone", stop=held_frames)
        .filter("trim", end_frame=span.frames)
    )
    return to_yuv420(source, track.pixel_format)


def compose(
    source: Stream, track: VideoTrack, span: Span, output: OutputPlan, stem: str
) -> tuple[Stream, Mapping[str, str]]:
    """One output's pictures without captions, and the files (names begin with `stem`) they need."""
    step = crop_step(track.pixel_format)
    parts = crop_segments(
        output.framing, span.start, span.rate, span.frames, stored_size(track), step
    )
    streams: list[Stream] = []
    files: dict[str, str] = {}
    for number, (copy, part) in enumerate(
        zip(split_stream(source, len(parts)), parts, strict=True)
    ):
        name = f"{stem}p{number}"
        text = commands(part, span.rate, f"crop@{name}")
        files |= {f"{name}.cmd": text} if text else {}
        copy = _trim_to_part(copy, part) if len(parts) > 1 else copy
        streams.append(
            blur_fit_filters(copy, track, output)
            if part.fit
            else crop_filters(copy, track, output, part, name, moves=bool(text))
        )
    return to_sdr(_concatenate(streams, span.rate), track.hdr), files


def build_outputs(
    source: Stream, track: VideoTrack, span: Span, outputs: Sequence[OutputPlan], stem: str
) -> tuple[VideoOutput, ...]:
    """A VideoOutput for each of `outputs`, all from one stream of frames."""
    copies = split_stream(frames(source, track, span), len(outputs))
    video_outputs = []
    for number, (copy, output) in enumerate(zip(copies, outputs, strict=True)):
        name = f"{stem}o{number}"
        picture, files = compose(copy, track, span, output, name)
        video_outputs.append(burn_in(picture, files, output, span.frames, name))
    return tuple(video_outputs)


def burn_in(
    picture: Stream, files: Mapping[str, str], output: OutputPlan, number: int, name: str
) -> VideoOutput:
    """With captions burnt in; before that, black frames are logged in `<name>.black` and thumbnails
    are taken. `number`: the clip's frames."""
    metadata_options = {"mode": "print", "key": "lavfi.blackframe.pblack", "file": f"{name}.black"}
    picture = picture.filter("blackframe", **BLACK).filter("metadata", **metadata_options)
    picture, thumbnails = split_stream(picture, 2)
    if output.ass is not None:
        files = {**files, f"{name}.ass": output.ass}
        picture = picture.filter("ass", f"{name}.ass", fontsdir=FONTS)
    return VideoOutput(picture, _thumbnail_candidates(thumbnails, number), files)


def _trim_to_part(source: Stream, part: CropSegment) -> Stream:
    cut = source.filter("trim", start_frame=part.first, end_frame=part.last)
    return cut.filter("setpts", "PTS-STARTPTS")


def _concatenate(parts: Sequence[Stream], rate: Fraction) -> Stream:
    if len(parts) == 1:
        return parts[0]
    import ffmpeg

    return ffmpeg.concat(*parts, v=1, a=0).filter("setpts", f"N/({_rate_text(rate)})/TB")


def _thumbnail_candidates(source: Stream, number: int) -> Stream:
    step = (_LAST_SHARE - _FIRST_SHARE) / (THUMBNAILS - 1)
    frame_numbers = {int(number * (_FIRST_SHARE + step * each)) for each in range(THUMBNAILS)}
    selected = source.filter("select", "+".join(f"eq(n,{each})" for each in sorted(frame_numbers)))
    return selected.filter("scale", out_range="pc").filter("format", "yuvj420p")


def _rate_text(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"


def waveform_filter(
    sound: Sequence[Stream], span: Span, outputs: Sequence[OutputPlan], stem: str
) -> tuple[VideoOutput, ...]:
    """A VideoOutput for each of `outputs`, from a copy of the sound for each, with the gain
    applied."""
    return tuple(
        burn_in(_waveform(copy, span, output), {}, output, span.frames, f"{stem}o{number}")
        for number, (copy, output) in enumerate(zip(sound, outputs, strict=True))
    )


def _waveform(sound: Stream, span: Span, output: OutputPlan) -> Stream:
    height = max(2, output.height // _WAVE_SHARE // 2 * 2)
    rate = f"{span.rate.numerator}/{span.rate.denominator}"
    mono = sound.filter("aformat", channel_layouts="mono")
    wave_options = {"mode": "cline", "draw": "full", "scale": "sqrt", "colors": _WAVE}
    wave = mono.filter("showwaves", s=f"{output.width}x{height}", rate=rate, **wave_options)
    background = {"w": output.width, "h": output.height, "x": 0, "y": (output.height - height) // 2}
    picture = to_yuv420(wave, "rgba").filter("pad", **background).filter("setsar", 1)
    brightened = picture.filter("lutyuv", y="max(val,36)")
    retimed = brightened.filter("setpts", f"N/({rate})/TB")
    padded = retimed.filter("tpad", stop_mode="clone", stop=2)
    return to_sdr(padded.filter("trim", end_frame=span.frames), "sdr")
