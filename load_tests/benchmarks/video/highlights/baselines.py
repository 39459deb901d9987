"""What anybody could do without a ranker. In: truth or features, how many clips. Out: clips."""

from random import Random

import numpy as np

from deployments.contracts.clips import ClipOptions
from deployments.contracts.media import MediaFeatures
from load_tests.benchmarks.video.highlights.metrics import iou
from load_tests.benchmarks.video.highlights.scorer import ScoredClip

STEP_S = 0.5


def rank_at_random(duration: float, options: ClipOptions, random: Random) -> list[ScoredClip]:
    """Any lengths in the band, anywhere, in any order."""
    clips = []
    for at in range(options.count):
        length = random.uniform(options.min_s, options.max_s)
        start = random.uniform(0, max(0.0, duration - length))
        clips.append(ScoredClip(start, start + length, 1.0 - at / options.count))
    return clips


def rank_uniform(duration: float, options: ClipOptions) -> list[ScoredClip]:
    """Of the middle length, in the middle of equal parts, first come first."""
    length, share = (options.min_s + options.max_s) / 2, duration / options.count
    middles = [(at + 0.5) * share for at in range(options.count)]
    return [
        ScoredClip(middle - length / 2, middle + length / 2, 1.0 - at / options.count)
        for at, middle in enumerate(middles)
    ]


def rank_loudest(features: MediaFeatures, options: ClipOptions) -> list[ScoredClip]:
    """Windows of the middle length by their mean power, loudest first, none over another."""
    if features.audio is None:
        return []
    audio_features, length = features.audio, (options.min_s + options.max_s) / 2
    width = round(length / audio_features.hop_s)
    power = np.cumsum(np.append(0.0, 10 ** (audio_features.level.astype(np.float64) / 10)))
    step = max(1, round(STEP_S / audio_features.hop_s))
    firsts = np.arange(0, power.size - width, step)
    loud = power[firsts + width] - power[firsts]
    clips: list[ScoredClip] = []
    for best in np.argsort(-loud, kind="stable"):
        start = float(firsts[best] * audio_features.hop_s + audio_features.start)
        if all(iou((start, start + length), clip.span) == 0 for clip in clips):
            clips.append(ScoredClip(start, start + length, float(loud[best])))
        if len(clips) == options.count:
            break
    return clips
