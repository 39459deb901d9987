"""Measures a finished file in one run: every frame decoded at a small size, all sound metered.

Nothing is taken from the plan here; checks.py knows the expected values.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deployments.contracts.media import Seconds
from deployments.sandbox.inputs import ffmpeg_input
from deployments.video.render.audio_filters import CHANNEL_METER, METER, to_filter_string
from deployments.video.render.channels import Channels, parse_channels
from deployments.video.render.loudness import LoudnessMeasurement, parse_loudness
from deployments.video.render.packets import Packet, read_packets
from deployments.video.render.workspace import Workspace

_SMALL = (32, 32)
_BLACK = 12  # of 255
_BLACK_SHARE = 0.98


@dataclass(frozen=True, slots=True)
class Measured:
    """`packets` of the picture, by time; `decoded` of them could be decoded, `black` of these are
    black, captions included. `sound`: its begin and end, None without sound. Times are the file's,
    edit lists applied."""

    packets: tuple[Packet, ...]
    decoded: int
    black: int
    sound: tuple[Seconds, Seconds] | None
    loudness: LoudnessMeasurement | None
    channels: Channels | None = None


def measure(file: str, workspace: Workspace, has_sound: bool) -> Measured:
    """The measures of `file`, a name in the folder. Deblocking is skipped: it costs a fifth of
    decoding and turns nothing black."""
    stem = Path(file).stem
    listings = tuple(
        workspace.folder / f"{stem}-{kind}" for kind in ("v.txt", "a.txt", "small.gray")
    )
    try:
        log_text = workspace.run(
            _argv(file, workspace, has_sound, [path.name for path in listings])
        ).err
        packets, sound = read_packets(listings[0]), read_packets(listings[1])
        decoded, black = _count_pictures(listings[2])
    finally:
        for path in listings:
            path.unlink(missing_ok=True)
    loudness = parse_loudness(log_text) if sound else None
    channels = parse_channels(log_text) if sound else None
    return Measured(packets, decoded, black, _sound_span(sound), loudness, channels)


def _argv(file: str, workspace: Workspace, has_sound: bool, names: list[str]) -> list[str]:
    width, height = _SMALL
    small = f"scale={width}:{height}:flags=area,format=gray"
    input_options = [
        "-skip_loop_filter",
        "all",
        "-threads",
        str(workspace.threads),
        *ffmpeg_input(file),
    ]
    argv = workspace.ffmpeg("-v", "info", "-nostats", *input_options)
    argv += ["-map", "0:v:0", "-c", "copy", "-f", "framecrc", names[0]]
    argv += ["-map", "0:v:0", "-vf", small, "-fps_mode", "passthrough", "-f", "rawvideo", names[2]]
    if has_sound:
        argv += [
            "-filter_complex",
            f"[0:a:0]{to_filter_string((METER, *CHANNEL_METER))}[a]",
            "-map",
            "[a]",
        ]
        argv += ["-c:a", "pcm_s16le", "-f", "framecrc", names[1]]
    return argv


def _count_pictures(small: Path) -> tuple[int, int]:
    """The number of pictures, and of black ones among them."""
    size = _SMALL[0] * _SMALL[1]
    pixels = np.fromfile(small, np.uint8) if small.is_file() else np.empty(0, np.uint8)
    count = pixels.size // size
    dark = (pixels[: count * size].reshape(count, size) <= _BLACK).mean(axis=1)
    return count, int((dark >= _BLACK_SHARE).sum())


def _sound_span(sound: tuple[Packet, ...]) -> tuple[Seconds, Seconds] | None:
    return (
        (sound[0].time, max(packet.time + packet.duration for packet in sound)) if sound else None
    )
