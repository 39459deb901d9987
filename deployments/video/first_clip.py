"""The first clip of a recording whose speech is still being heard.

Flows in: a clip job's context and a listener. Flows out: the best highlight of what was heard
first. It becomes a clip while the rest is heard; the others are chosen from the whole, and leave
its stretch out. So the first clip does not wait for the end of a long recording.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from deployments.contracts.clips import ClipOptions, Highlight
from deployments.contracts.media import MediaFeatures, Seconds, Transcript
from deployments.video.analysis import Mode
from deployments.video.analysis_cache import VideoAnalyzer, analysis_mode
from deployments.video.clip_context import ClipContext
from deployments.video.ranking import ranking
from deployments.video.speech_listener import SpeechListener

SHORTEST_S = 120.0  # of a recording whose first clip is made early
MODE_SHARE, MODE_S = 0.1, 60.0  # heard before it is known whether somebody talks
SHARE = 0.25  # heard before the first clip is chosen
LATEST_SHARE = 0.6  # of the recording; later, it is better chosen from the whole
CLIPS_AHEAD = 2.0  # times the longest clip, to choose from

Progress = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class EarlyChoice:
    """`mode` is that of the features, which the final ranking uses too. `highlight` None: nothing
    stands out in what was heard first."""

    mode: Mode
    highlight: Highlight | None


def early_point(options: ClipOptions, start: Seconds, end: Seconds) -> Seconds | None:
    """The second up to which is heard before the first clip is chosen. None: it is chosen from the
    whole, as the only one is, the best of a model's order, and those of short recordings."""
    length = end - start
    if options.count < 2 or options.rerank or length < SHORTEST_S:
        return None
    ahead = max(SHARE * length, CLIPS_AHEAD * options.max_s)
    return start + ahead if ahead <= LATEST_SHARE * length else None


async def choose_early(
    context: ClipContext, listener: SpeechListener, analyzer: VideoAnalyzer, on_progress: Progress
) -> EarlyChoice | None:
    """None: the first clip is chosen with the others."""
    point = early_point(context.spec.options, listener.start, listener.end)
    if point is None:
        return None
    length = listener.end - listener.start
    await listener.wait_until(listener.start + min(MODE_S, MODE_SHARE * length))
    mode = _mode_so_far(listener)
    if mode != "fast":
        return None
    features = await analyzer.features(context, mode, on_progress)
    await listener.wait_until(point)
    transcript = await asyncio.to_thread(listener.so_far)
    highlight = await asyncio.to_thread(
        best_before, features, transcript, context.spec.options, listener.until
    )
    return EarlyChoice(mode, highlight)


def best_before(
    features: MediaFeatures, transcript: Transcript, options: ClipOptions, until: Seconds
) -> Highlight | None:
    """The best highlight that ends by `until`, if one stands out."""
    best = ranking(features, transcript, replace(options, count=1, end=until)).best
    stands_out = best and best[0].score > 0 and not best[0].note
    return best[0] if stands_out else None


def _mode_so_far(listener: SpeechListener) -> Mode:
    return analysis_mode(listener.so_far(), listener.until - listener.start)
