"""Runs the ranker and what it is compared with over planted recordings. In: seeds. Out: figures.

Every question of notes/video.md section 3 (Q6 and Q8: visual_quality.py), beside random clips,
evenly spread ones and the loudest windows, which know how many moments there are too.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from random import Random
from statistics import fmean, stdev

import numpy as np

from deployments.contracts.clips import Highlight
from deployments.contracts.media import NO_TRANSCRIPT
from deployments.video.ranking import WEIGHTS, rank
from load_tests.benchmarks.common.measurement import Figure
from load_tests.benchmarks.video.highlights import baselines, scorer, visual_quality
from load_tests.benchmarks.video.highlights.samples import LONGEST_S, SHORTEST_S, Sample
from load_tests.benchmarks.video.highlights.scorer import Clip

DRAWS = 20  # of random clips, averaged
NEVER = 1e-9


def clips_of(highlights: Iterable[Highlight]) -> list[Clip]:
    return [Clip(one.start, one.end, one.score) for one in highlights]


def rows_of(one: Sample) -> dict[str, dict[str, float]]:
    """By contender: what was found."""
    truth, options = one.truth, one.options
    draws = [
        scorer.found(truth, baselines.at_random(truth.duration, options, Random(at)))
        for at in range(DRAWS)
    ]
    return {
        "ours": scorer.found(truth, clips_of(one.ranked())),
        "random": {name: fmean(draw[name] for draw in draws) for name in draws[0]},
        "uniform": scorer.found(truth, baselines.uniform(truth.duration, options)),
        "loudest": scorer.found(truth, baselines.loudest(one.features, options)),
    }


def figures_of(samples: Sequence[Sample]) -> list[Figure]:
    rows = [rows_of(one) for one in samples]
    means = {
        who: {name: fmean(row[who][name] for row in rows) for name in rows[0][who]}
        for who in rows[0]
    }
    return [
        *_finding(means),
        *_order(samples),
        *_lifts(means),
        *_borders(samples),
        *_analysis(samples),
        Figure("Q9", "same result again", float(all(map(_same, samples))), at_least=1),
    ]


def _finding(means: dict[str, dict[str, float]]) -> list[Figure]:
    ours = means["ours"]
    told = [
        Figure("Q1", f"{who} {name}", value)
        for who in ("random", "uniform", "loudest")
        for name, value in means[who].items()
    ]
    return [
        Figure("Q1", "HIT@1", ours["hit@1"], at_least=0.95),
        Figure("Q1", "recall@k, IoU .5", ours["recall@k"], at_least=0.90),
        Figure("Q1", "mAP@.5:.95", ours["map"], at_least=0.60),
        *told,
    ]


def _order(samples: Sequence[Sample]) -> list[Figure]:
    clips = [clips_of(one.ranked()) for one in samples]
    pairs = list(zip(samples, clips, strict=True))
    taus = _taus(pairs, "intensity")
    decoys = [scorer.decoyed(one.truth, found) for one, found in pairs]
    return [
        Figure("Q2", "tau, score and intensity", fmean(taus), at_least=0.7),
        Figure("Q2", "its standard error", _error(taus)),
        Figure("Q2", "tau, score and grade", fmean(_taus(pairs, "grade"))),
        Figure("Q3", "decoy first", fmean(any(each[:1]) for each in decoys), at_most=0.05),
        Figure("Q3", "decoys among all clips", fmean(sum(decoys, [])), at_most=0.05),
    ]


def _taus(pairs: Sequence[tuple[Sample, list[Clip]]], of: str) -> list[float]:
    taus = (scorer.ordered(one.truth, clips, of) for one, clips in pairs)
    return [tau for tau in taus if tau is not None]


def _error(values: Sequence[float]) -> float:
    """Of their mean; not a number for one alone."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _lifts(means: dict[str, dict[str, float]]) -> list[Figure]:
    return [
        Figure(
            "Q4",
            f"mAP over {who}",
            means["ours"]["map"] / max(means[who]["map"], NEVER),
            "x",
            least,
        )
        for who, least in (("random", 3.0), ("uniform", 3.0), ("loudest", 1.3))
    ]


def _borders(samples: Sequence[Sample]) -> list[Figure]:
    found = [(one, clips_of(one.ranked())) for one in samples]
    edges = np.sum([scorer.cut_words(one.truth.words, clips) for one, clips in found], axis=0)
    kept = fmean(scorer.lengths_kept(clips, SHORTEST_S, LONGEST_S) for _, clips in found)
    return [
        Figure("Q5", "borders inside a word", 100 * float(edges[1] / edges[0]), "%", at_most=0),
        Figure("Q5", "borders within 80 ms", 100 * float(edges[2] / edges[0]), "%", at_most=5),
        Figure(
            "Q7",
            "largest IoU of two clips",
            max(scorer.most_overlap(c) for _, c in found),
            at_most=0.3,
        ),
        Figure("Q7", "lengths in the band", 100 * kept, "%", at_least=100),
    ]


def _analysis(samples: Sequence[Sample]) -> list[Figure]:
    silence = fmean(scorer.silence_f1(one.truth, one.features) for one in samples)
    return [
        Figure("Q6", "silence F1, 10 ms", silence, at_least=0.98),
        *visual_quality.cuts(samples),
        *visual_quality.framing(samples),
    ]


def ablated(samples: Sequence[Sample]) -> list[Figure]:
    """Q10: what is left of mAP without each signal, and without sound, pictures or words."""
    return [
        *(
            Figure("Q10", f"mAP without {name}", _map(samples, lambda s, n=name: s.ranked(n)))
            for name in WEIGHTS
        ),
        Figure("Q10", "mAP without sound", _map(samples, lambda s: _blind(s, audio=None))),
        Figure("Q10", "mAP without pictures", _map(samples, lambda s: _blind(s, video=None))),
        Figure(
            "Q10",
            "mAP without words",
            _map(samples, lambda s: rank(s.features, NO_TRANSCRIPT, s.options)),
        ),
    ]


def _blind(one: Sample, **lost: None) -> tuple[Highlight, ...]:
    return rank(replace(one.features, **lost), one.truth.transcript, one.options)


def _map(samples: Sequence[Sample], ranked: Callable[[Sample], tuple[Highlight, ...]]) -> float:
    return fmean(scorer.found(one.truth, clips_of(ranked(one)))["map"] for one in samples)


def _same(one: Sample) -> bool:
    first, again = (
        json.dumps([asdict(each) for each in one.ranked()], sort_keys=True) for _ in range(2)
    )
    return first == again
