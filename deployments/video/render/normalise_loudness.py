"""Finds the gain of a clip: what was heard of its span in, and a second hearing where limiting that
gain would cost loudness."""

from deployments.contracts.clips import ClipPlan
from deployments.contracts.media import AudioTrack, MediaInfo
from deployments.video.probe.tracks import sound_of
from deployments.video.render.audio_filters import (
    METER,
    gain_filters,
    to_filter_string,
    trim_and_resample,
)
from deployments.video.render.loudness import (
    Gain,
    LoudnessMeasurement,
    gain_to,
    is_limiting,
    makeup_gain,
    parse_loudness,
)
from deployments.video.render.span import Span, sought
from deployments.video.render.workspace import Workspace
from deployments.video.sandbox.inputs import ffmpeg_input

ROUNDS = 2
CLOSE = 0.3  # LU


def find_gain(plan: ClipPlan, info: MediaInfo, span: Span, work: Workspace) -> Gain:
    """The gain that brings the clip to the plan's loudness after the limiter."""
    track = sound_of(info)
    if span.heard is None or track is None:
        return Gain()
    gain = gain_to(plan.loudness, span.heard)
    if plan.loudness is None or gain.db == 0 or not is_limiting(gain, span.heard):
        return gain
    for _ in range(ROUNDS):
        again = makeup_gain(gain, plan.loudness, _heard(track, span, gain, work))
        done, gain = abs(again.db - gain.db) < CLOSE, again
        if done:
            break
    return gain


def _heard(track: AudioTrack, span: Span, gain: Gain, work: Workspace) -> LoudnessMeasurement:
    argv = work.ffmpeg("-v", "info", "-nostats", *sought(span.seek))
    argv += ["-t", f"{span.lead + span.duration:.6f}", *ffmpeg_input(work.source)]
    even = trim_and_resample(span.lead, span.duration, True, span.repair)
    chain = to_filter_string((*even, *gain_filters(gain), METER))
    argv += ["-filter_complex", f"[0:{track.index}]{chain}[a]", "-map", "[a]"]
    return parse_loudness(work.run([*argv, "-f", "null", "-"]).err)
