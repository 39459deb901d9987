"""The best moments of a recording. In: features, transcript, options. Out: highlights, best first.

Pure and deterministic: equal input gives equal output, whatever split the analysis. Every promise
about lengths, overlaps and words is kept by construction; where nothing stands out, clips are
spread evenly and say so.
"""

import math
from collections.abc import Collection

from deployments.clipper.ranking.borders import Borders, borders_of
from deployments.clipper.ranking.candidates import Candidates, candidates_of
from deployments.clipper.ranking.evidence import evidence_of, excerpt_of
from deployments.clipper.ranking.scoring import sub_scores, total
from deployments.clipper.ranking.selection import apart, without_cut_words
from deployments.clipper.ranking.sentences import Sentence, sentences_of
from deployments.clipper.ranking.signals import Signals, signals_of
from deployments.clipper.ranking.spread import spread
from deployments.contracts.clips import ClipOptions, Evidence, Highlight
from deployments.contracts.media import Features, Transcript

POOL = 3  # candidates scored for each clip asked for
SHORTEST_S = 0.1
EVENLY = "nothing stands out in this recording: clips are spread evenly over it"
WHOLE = "shorter than the shortest clip asked for: taken whole"


def rank(
    features: Features,
    transcript: Transcript,
    options: ClipOptions,
    duration: float | None = None,
    *,
    without: Collection[str] = (),
) -> tuple[Highlight, ...]:
    """At most `options.count` highlights of `min_s` to `max_s` seconds in the wanted range.

    No two overlap by more than 0.3 (IoU), none begins or ends inside a word. A range or recording
    shorter than `min_s` is one clip; one that holds nothing gives none. `duration` (s) is the
    features' own if not given; `without` names signals to leave out, to see what each gives.
    """
    length = features.duration if duration is None else duration
    start = max(0.0, options.start)
    end = length if options.end is None else min(options.end, length)
    if not math.isfinite(end) or options.count < 1 or end - start < SHORTEST_S:
        return ()
    sentences = sentences_of(transcript, options.keywords, options.language)
    signals = signals_of(
        features, sentences, length, keywords=bool(options.keywords), without=without
    )
    if end - start <= options.min_s:
        return (_highlight(signals, sentences, start, end, ("range", WHOLE)),)
    borders = borders_of(features, sentences, start, end)
    candidates = _candidates(signals, borders, options, end)
    if not signals.appeal.any():
        evenly = spread(candidates, start, end, options)
        return tuple(_even(sentences, *stretch) for stretch in evenly)
    pool = apart(candidates, POOL * options.count)
    found = [_highlight(signals, sentences, *stretch) for stretch in pool]
    best = sorted(found, key=lambda one: (-one.score, one.start))
    return tuple(best[: options.count])


def _candidates(signals: Signals, borders: Borders, options: ClipOptions, end: float) -> Candidates:
    found = candidates_of(signals, borders, options.min_s, options.max_s, end)
    return without_cut_words(found, borders)


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


def _even(sentences: tuple[Sentence, ...], start: float, end: float) -> Highlight:
    start, end = round(start, 3), round(end, 3)
    evidence = (Evidence("spread", start, end, EVENLY),)
    return Highlight(start, end, 0.0, {}, evidence, excerpt_of(sentences, start, end))
