"""Runs the ranker and what it is compared with over planted recordings. In: seeds. Out: figures.

Every question of notes/video.md section 3 (Q6 and Q8: visual_quality.py), beside random clips,
evenly spread ones and the loudest windows, which know how many moments there are too.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from random import Random
from statistics import fmean, stdev

import numpy as np

from deployments.contracts.clips import Highlight
from deployments.contracts.media import NO_TRANSCRIPT, MediaFeatures
from deployments.video.ranking import WEIGHTS, rank
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.video.highlights import baselines, scorer, visual_quality
from load_tests.benchmarks.video.highlights.samples import LONGEST_S, SHORTEST_S, PlantedSample
from load_tests.benchmarks.video.highlights.scorer import ScoredClip

DRAWS = 20  # of random clips, averaged
NEVER = 1e-9


def to_clips(highlights: Iterable[Highlight]) -> list[ScoredClip]:
    return [ScoredClip(one.start, one.end, one.score) for one in highlights]


def build_rows(one: PlantedSample) -> dict[str, dict[str, float]]:
    """By contender: what was found."""
    truth, options = one.truth, one.options
    draws = [
        scorer.score_finding(truth, baselines.rank_at_random(truth.duration, options, Random(at)))
        for at in range(DRAWS)
    ]
    return {
        "ours": scorer.score_finding(truth, to_clips(one.rank_clips())),
        "random": {name: fmean(draw[name] for draw in draws) for name in draws[0]},
        "uniform": scorer.score_finding(truth, baselines.rank_uniform(truth.duration, options)),
        "loudest": scorer.score_finding(truth, baselines.rank_loudest(one.features, options)),
    }


def measure_all(samples: Sequence[PlantedSample]) -> list[Measurement]:
    rows = [build_rows(one) for one in samples]
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
        Measurement("Q9", "same result again", float(all(map(_same, samples))), at_least=1),
    ]


def _finding(means: dict[str, dict[str, float]]) -> list[Measurement]:
    ours = means["ours"]
    measurements = [
        Measurement("Q1", f"{who} {name}", value)
        for who in ("random", "uniform", "loudest")
        for name, value in means[who].items()
    ]
    return [
        Measurement("Q1", "HIT@1", ours["hit@1"], at_least=0.95),
        Measurement("Q1", "recall@k, IoU .5", ours["recall@k"], at_least=0.90),
        Measurement("Q1", "mAP@.5:.95", ours["map"], at_least=0.60),
        *measurements,
    ]


def _order(samples: Sequence[PlantedSample]) -> list[Measurement]:
    clips = [to_clips(one.rank_clips()) for one in samples]
    pairs = list(zip(samples, clips, strict=True))
    taus = _taus(pairs, "intensity")
    decoys = [scorer.find_decoy_clips(one.truth, clips) for one, clips in pairs]
    return [
        Measurement("Q2", "tau, score and intensity", fmean(taus), at_least=0.7),
        Measurement("Q2", "its standard error", _error(taus)),
        Measurement("Q2", "tau, score and grade", fmean(_taus(pairs, "grade"))),
        Measurement("Q3", "decoy first", fmean(any(each[:1]) for each in decoys), at_most=0.05),
        Measurement("Q3", "decoys among all clips", fmean(sum(decoys, [])), at_most=0.05),
    ]


def _taus(pairs: Sequence[tuple[PlantedSample, list[ScoredClip]]], of: str) -> list[float]:
    taus = (scorer.score_order(one.truth, clips, of) for one, clips in pairs)
    return [tau for tau in taus if tau is not None]


def _error(values: Sequence[float]) -> float:
    """Of their mean; not a number for one alone."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _lifts(means: dict[str, dict[str, float]]) -> list[Measurement]:
    return [
        Measurement(
            "Q4",
            f"mAP over {who}",
            means["ours"]["map"] / max(means[who]["map"], NEVER),
            "x",
            least,
        )
        for who, least in (("random", 3.0), ("uniform", 3.0), ("loudest", 1.3))
    ]


def _borders(samples: Sequence[PlantedSample]) -> list[Measurement]:
    ranked = [(one, to_clips(one.rank_clips())) for one in samples]
    edges = np.sum(
        [scorer.count_cut_words(one.truth.words, clips) for one, clips in ranked], axis=0
    )
    within_lengths = fmean(
        scorer.share_within_lengths(clips, SHORTEST_S, LONGEST_S) for _, clips in ranked
    )
    return [
        Measurement(
            "Q5", "borders inside a word", 100 * float(edges[1] / edges[0]), "%", at_most=0
        ),
        Measurement("Q5", "borders within 80 ms", 100 * float(edges[2] / edges[0]), "%", at_most=5),
        Measurement(
            "Q7",
            "largest IoU of two clips",
            max(scorer.max_overlap(c) for _, c in ranked),
            at_most=0.3,
        ),
        Measurement("Q7", "lengths in the band", 100 * within_lengths, "%", at_least=100),
    ]


def _analysis(samples: Sequence[PlantedSample]) -> list[Measurement]:
    silence = fmean(scorer.silence_f1(one.truth, one.features) for one in samples)
    return [
        Measurement("Q6", "silence F1, 10 ms", silence, at_least=0.98),
        *visual_quality.measure_cuts(samples),
        *visual_quality.measure_framings(samples),
    ]


def measure_ablations(samples: Sequence[PlantedSample]) -> list[Measurement]:
    """Q10: what is left of mAP without each signal, and without sound, pictures or words."""
    return [
        *(
            Measurement("Q10", f"mAP without {name}", _map(samples, partial(_rank_without, name)))
            for name in WEIGHTS
        ),
        Measurement(
            "Q10",
            "mAP without sound",
            _map(samples, lambda s: _rank(s, replace(s.features, audio=None))),
        ),
        Measurement(
            "Q10",
            "mAP without pictures",
            _map(samples, lambda s: _rank(s, replace(s.features, video=None))),
        ),
        Measurement(
            "Q10",
            "mAP without words",
            _map(samples, lambda s: rank(s.features, NO_TRANSCRIPT, s.options)),
        ),
    ]


def _rank_without(signal: str, one: PlantedSample) -> tuple[Highlight, ...]:
    return one.rank_clips(signal)


def _rank(one: PlantedSample, features: MediaFeatures) -> tuple[Highlight, ...]:
    return rank(features, one.truth.transcript, one.options)


def _map(
    samples: Sequence[PlantedSample], ranked: Callable[[PlantedSample], tuple[Highlight, ...]]
) -> float:
    return fmean(scorer.score_finding(one.truth, to_clips(ranked(one)))["map"] for one in samples)


def _same(one: PlantedSample) -> bool:
    first, again = (
        json.dumps([asdict(each) for each in one.rank_clips()], sort_keys=True) for _ in range(2)
    )
    return first == again
