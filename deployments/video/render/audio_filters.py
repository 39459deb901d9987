"""The filters of a clip's sound: its span, its format, its gain.

Filters are plain values here, because the sound is measured with the same chain that renders it: as
text if ffmpeg only measures, as graph nodes if it encodes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.contracts.media import Seconds
from deployments.video.render.channels import PAN, Repair
from deployments.video.render.loudness import CEILING_DBTP, Gain

RATE = 48_000
_LIMITER_RATE = 192_000  # sample peaks here are true peaks (ITU-R BS.1770-4, annex 2)
Filter = tuple[str, Mapping[str, Any]]
METER: Filter = ("ebur128", {"peak": "true", "framelog": "quiet"})
CHANNEL_METER: tuple[Filter, ...] = (
    ("pan", {"args": "3c|c0=c0|c1=c1|c2=0.5*c0+0.5*c1"}),
    ("astats", {"measure_perchannel": "RMS_level", "measure_overall": "none"}),
)


def trim_and_resample(
    lead: Seconds, length: Seconds, starts_late: bool, repair: Repair | None = None
) -> tuple[Filter, ...]:
    """Sound from `lead` seconds on for exactly `length`, 48 kHz stereo; silence fills gaps, a late
    beginning (`starts_late`) and an early end. `repair` corrects the channels."""
    resample_options: dict[str, Any] = {"osr": RATE, "async": 1}
    repair_filters: tuple[Filter, ...] = (("pan", {"args": PAN[repair]}),) if repair else ()
    return (
        ("atrim", {"start": f"{lead:.6f}", "end": f"{lead + length:.6f}"}),
        ("asetpts", {"expr": f"PTS-{lead:.6f}/TB"}),
        ("aresample", resample_options | ({"first_pts": 0} if starts_late else {})),
        ("aformat", {"sample_fmts": "fltp", "channel_layouts": "stereo"}),
        *repair_filters,
        ("apad", {"whole_dur": f"{length:.6f}"}),
        ("atrim", {"end": f"{length:.6f}"}),
    )


def gain_filters(gain: Gain) -> tuple[Filter, ...]:
    """The gain, and a true peak limiter for peaks over the ceiling."""
    volume: Filter = ("volume", {"volume": f"{gain.db:.2f}dB", "precision": "float"})
    if not gain.limit:
        return (volume,)
    limiter = {"limit": f"{10 ** (CEILING_DBTP / 20):.6f}", "attack": 5, "release": 60}
    return (
        volume,
        ("aresample", {"osr": _LIMITER_RATE}),
        ("alimiter", {**limiter, "level": 0, "latency": 1}),
        ("aresample", {"osr": RATE}),
    )


def to_filter_string(filters: Sequence[Filter]) -> str:
    """In ffmpeg's filter graph syntax."""
    return ",".join(
        f"{name}={':'.join(f'{key}={value}' for key, value in options.items())}"
        for name, options in filters
    )


def nodes(source: Any, filters: Sequence[Filter]) -> Any:
    """As ffmpeg-python's nodes after `source`."""
    for name, options in filters:
        source = source.filter(name, **options)
    return source
