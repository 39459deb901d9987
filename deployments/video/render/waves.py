"""The picture of a recording that has none: its sound as a moving wave on a dark ground."""

from collections.abc import Sequence

from deployments.contracts.clips import OutputPlan
from deployments.video.render.colour import to_sdr, to_yuv420
from deployments.video.render.layout import Stream
from deployments.video.render.span import Span
from deployments.video.render.video_filters import VideoOutput, burn_in

_WAVE = "0x4CC3FF"
_SHARE = 3  # the wave takes one part in three of the height


def waveform_filter(
    sound: Sequence[Stream], span: Span, outputs: Sequence[OutputPlan], stem: str
) -> tuple[VideoOutput, ...]:
    """A drawing for each of `outputs`, from a copy of the sound for each, as loud as it will be."""
    return tuple(
        burn_in(_wave(copy, span, output), {}, output, span.frames, f"{stem}o{number}")
        for number, (copy, output) in enumerate(zip(sound, outputs, strict=True))
    )


def _wave(sound: Stream, span: Span, output: OutputPlan) -> Stream:
    height = max(2, output.height // _SHARE // 2 * 2)
    rate = f"{span.rate.numerator}/{span.rate.denominator}"
    mono = sound.filter("aformat", channel_layouts="mono")
    form = {"mode": "cline", "draw": "full", "scale": "sqrt", "colors": _WAVE}
    drawn = mono.filter("showwaves", s=f"{output.width}x{height}", rate=rate, **form)
    ground = {"w": output.width, "h": output.height, "x": 0, "y": (output.height - height) // 2}
    picture = to_yuv420(drawn, "rgba").filter("pad", **ground).filter("setsar", 1)
    lifted = picture.filter("lutyuv", y="max(val,36)")
    timed = lifted.filter("setpts", f"N/({rate})/TB")
    held = timed.filter("tpad", stop_mode="clone", stop=2)
    return to_sdr(held.filter("trim", end_frame=span.frames), "sdr")
