"""Ranks highlights: features, transcript, options in; the best highlights out, and the next best,
for those that cannot be rendered.

Pure and deterministic: equal input gives equal output, however the analysis was split. Lengths,
overlaps and words are respected by construction; if nothing stands out, clips are spread evenly,
and their evidence says so.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from deployments.contracts.clips import ClipOptions, Evidence, Highlight
from deployments.contracts.media import MediaFeatures, Transcript
from deployments.video.ranking.candidates import Candidates, candidates_of
from deployments.video.ranking.cut_points import CutPoints, find_cut_points
from deployments.video.ranking.explanations import evidence_of, excerpt_of
from deployments.video.ranking.scoring import sub_scores, total
from deployments.video.ranking.selection import drop_mid_word, evenly_spaced, non_overlapping
from deployments.video.ranking.sentences import Sentence, sentences_of
from deployments.video.ranking.signals import Signals, signals_of

POOL_FACTOR = 3  # candidates scored for each requested clip
SHORTEST_S = 0.1
MAX_HOLD_BEFORE_S = 3.0  # of sound before the first picture, which is held for so long
MAX_HOLD_AFTER_S = 0.4  # of sound after the last one; render/span.py holds it a little longer
EVENLY_NOTE = "nothing stands out in this recording: clips are spread evenly over it"
WHOLE_NOTE = "shorter than the shortest clip asked for: taken whole"


@dataclass(frozen=True, slots=True)
class RankedHighlights:
    """The `best` highlights, at most as many as requested, and the next best `others`."""

    best: tuple[Highlight, ...] = ()
    others: tuple[Highlight, ...] = ()


def rank(
    features: MediaFeatures,
    transcript: Transcript,
    options: ClipOptions,
    duration: float | None = None,
    *,
    without: Collection[str] = (),
) -> tuple[Highlight, ...]:
    """The best of `ranking`."""
    return ranking(features, transcript, options, duration, without=without).best


def ranking(
    features: MediaFeatures,
    transcript: Transcript,
    options: ClipOptions,
    duration: float | None = None,
    *,
    without: Collection[str] = (),
) -> RankedHighlights:
    """At most `options.count` highlights of `min_s` to `max_s` seconds in the requested range.

    No two overlap by more than 0.3 (IoU), none begins or ends inside a word. A range or recording
    shorter than `min_s` is one clip, whose `note` says so; an empty one gives none. With a picture,
    clips end with it at the latest. `duration` (s) defaults to the features' own; `without` names
    signals to omit, to measure their contribution.
    """
    length = features.duration if duration is None else duration
    start, end, why = _requested_range(features, options, length)
    if not math.isfinite(end) or options.count < 1 or end - start < SHORTEST_S:
        return RankedHighlights()
    sentences = sentences_of(transcript, options.keywords, options.language)
    signals = signals_of(
        features, sentences, length, keywords=bool(options.keywords), without=without
    )
    if end - start <= options.min_s:
        highlight = _highlight(signals, sentences, start, end, ("range", WHOLE_NOTE))
        return RankedHighlights((_with_note(highlight, options, why),))
    cut_points = find_cut_points(features, sentences, start, end)
    candidates = _candidates(signals, cut_points, options, start, end)
    if not signals.appeal.any():
        spans = evenly_spaced(candidates, start, end, options)
        return RankedHighlights(
            tuple(_evenly_spaced_highlight(sentences, *stretch) for stretch in spans)
        )
    pool = non_overlapping(candidates, POOL_FACTOR * options.count)
    highlights = [_highlight(signals, sentences, *stretch) for stretch in pool]
    best = sorted(highlights, key=lambda one: (-one.score, one.start))
    return RankedHighlights(tuple(best[: options.count]), tuple(best[options.count :]))


def _requested_range(
    features: MediaFeatures, options: ClipOptions, length: float
) -> tuple[float, float, str]:
    """The range of clips, and what keeps them from being longer."""
    start = max(0.0, options.start)
    end = length if options.end is None else min(options.end, length)
    why = "the recording is" if end - start >= length - SHORTEST_S else "the wanted range is"
    shown = None if features.video is None else features.video.shown
    if shown is None:
        return start, end, why
    first, last = shown[0] - MAX_HOLD_BEFORE_S, shown[1] + MAX_HOLD_AFTER_S
    if first > start or last < end:
        why = f"there is a picture from {shown[0]:.1f} to {shown[1]:.1f} s only"
    return max(start, first), min(end, last), why


def _with_note(highlight: Highlight, options: ClipOptions, why: str) -> Highlight:
    duration = highlight.end - highlight.start
    if duration >= options.min_s:
        return highlight
    note = f"{duration:.1f} s long, shorter than min_s ({options.min_s:g} s), because {why}"
    return replace(highlight, note=note)


def _candidates(
    signals: Signals, cut_points: CutPoints, options: ClipOptions, start: float, end: float
) -> Candidates:
    candidates = candidates_of(signals, cut_points, options.min_s, options.max_s, start, end)
    return drop_mid_word(candidates, cut_points)


def _highlight(
    signals: Signals,
    sentences: tuple[Sentence, ...],
    start: float,
    end: float,
    why: tuple[str, str] | None = None,
) -> Highlight:
    scores = sub_scores(signals, sentences, start, end)
    evidence = evidence_of(signals, sentences, start, end)
    if why is not None:
        evidence = (Evidence(why[0], round(start, 3), round(end, 3), why[1]), *evidence)
    excerpt = excerpt_of(sentences, start, end)
    return Highlight(round(start, 3), round(end, 3), total(scores), scores, evidence, excerpt)


def _evenly_spaced_highlight(
    sentences: tuple[Sentence, ...], start: float, end: float
) -> Highlight:
    start, end = round(start, 3), round(end, 3)
    evidence = (Evidence("spread", start, end, EVENLY_NOTE),)
    return Highlight(start, end, 0.0, {}, evidence, excerpt_of(sentences, start, end))
