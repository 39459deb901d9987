"""How the sound of a recording is: loudness, true peak, silences, the share of speech.

In: a file in a private folder and its media info. Out: SoundMeasures. Two confined children decode
the track, one for ffmpeg's EBU R128 meter, one for the features that clips are cut by.
"""

import math
import re
from pathlib import Path

from deployments.contracts.audio import SoundMeasures, TimeSpan
from deployments.contracts.media import AudioTrack, MediaInfo, MediaSource
from deployments.sandbox import Cancel, ChildLimits, SandboxedCommand, link_input, run
from deployments.sandbox.binary import ffmpeg_binary
from deployments.sandbox.errors import NoMedia
from deployments.sandbox.inputs import ffmpeg_input
from deployments.video.analysis.tasks import analyze_audio_task
from deployments.video.probe.tracks import sound_of
from deployments.video.render.audio_filters import METER, to_filter_string
from deployments.video.render.loudness import parse_loudness

MIN_SILENCE_S = 0.5
MAX_SILENCES = 1_000
LIKELY = 0.5  # of speech
_RANGE = re.compile(r"^\s*LRA:\s+(\S+) LU", re.MULTILINE)


def track_of(info: MediaInfo) -> AudioTrack:
    """The audio track in use. Raises NoMedia."""
    track = sound_of(info)
    if track is None:
        raise NoMedia("The recording has no sound.")
    return track


def measure_sound(
    file: Path, folder: Path, info: MediaInfo, cancel: Cancel | None = None
) -> SoundMeasures:
    """Blocks. Raises NoMedia, and the refusals of deployments/sandbox/errors.py."""
    track = track_of(info)
    log = _meter(file, folder, info, track, cancel)
    loudness = parse_loudness(log)
    found = analyze_audio_task(MediaSource(file, info, ""), folder, cancel, track)
    spans: list[TimeSpan] = []
    share = 0.0
    if found is not None:
        features = found.features
        spans = [TimeSpan(float(start), float(end)) for start, end in features.silences]
        likely = float((features.speech >= LIKELY).sum()) * features.hop_s
        share = min(1.0, likely / info.duration) if info.duration > 0 else 0.0
    return SoundMeasures(
        duration=info.duration,
        loudness=loudness.integrated,
        loudness_range=None if loudness.integrated is None else _loudness_range(log),
        true_peak=loudness.true_peak,
        silences=_longest(spans),
        speech_share=round(share, 4),
    )


def _longest(spans: list[TimeSpan]) -> tuple[TimeSpan, ...]:
    """Those of MIN_SILENCE_S and more, in order; of too many the longest."""
    silences = [span for span in spans if span.end - span.start >= MIN_SILENCE_S - 1e-6]
    if len(silences) > MAX_SILENCES:
        silences = sorted(silences, key=lambda span: span.start - span.end)[:MAX_SILENCES]
    return tuple(sorted(silences, key=lambda span: span.start))


def _meter(
    file: Path, folder: Path, info: MediaInfo, track: AudioTrack, cancel: Cancel | None
) -> str:
    """The log of ffmpeg's meter."""
    cpu_s = math.ceil(60 + info.duration)
    limits = ChildLimits(cpu_s=cpu_s, wall_s=60.0 + 4.0 * cpu_s, output_bytes=1 << 20)
    with link_input(file, folder) as (name, readable):
        command = SandboxedCommand(
            (
                *(ffmpeg_binary(), "-hide_banner", "-nostdin", "-nostats", "-v", "info"),
                *ffmpeg_input(name),
                *("-map", f"0:{track.index}", "-af", to_filter_string((METER,))),
                *("-f", "null", "-"),
            ),
            folder,
            limits,
            cancel=cancel,
            readable=readable,
        )
        return run(command).err


def _loudness_range(log: str) -> float | None:
    _, _, summary = log.rpartition("Summary:")
    match = _RANGE.search(summary)
    try:
        value = float(match[1]) if match else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
