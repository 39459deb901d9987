"""Scores one recording's clips against what was planted. In: truth, clips, features. Out: figures.

Names are the questions of notes/video.md: Q1 finding, Q2 order, Q3 decoys, Q5 borders, Q6 silences
and cuts, Q7 lengths and overlaps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import MediaFeatures, Word
from load_tests.benchmarks.video.highlights.ground_truth import Decoy, GroundTruth
from load_tests.benchmarks.video.highlights.metrics import (
    Span,
    f1,
    hit_at_1,
    iou,
    kendall_tau,
    match_spans,
    mean_average_precision,
    recall,
)

NEAR_WORD_S = 0.08
CELL_S = 0.01
ABOUT = 0.3  # IoU with a decoy that makes a clip one of it


@dataclass(frozen=True, slots=True)
class ScoredClip:
    start: float
    end: float
    score: float

    @property
    def span(self) -> Span:
        return self.start, self.end


def score_finding(truth: GroundTruth, clips: Sequence[ScoredClip]) -> dict[str, float]:
    """Q1 and Q4's basis; clips best first."""
    spans, true = [clip.span for clip in clips], [(one.start, one.end) for one in truth.planted]
    return {
        "hit@1": hit_at_1(spans, true),
        "recall@k": recall(spans, true),
        "map": mean_average_precision(spans, true),
    }


def score_order(
    truth: GroundTruth, clips: Sequence[ScoredClip], of: str = "intensity"
) -> float | None:
    """Q2: tau of scores and intensities (or grades) over the moments that were found."""
    true = [(one.start, one.end) for one in truth.planted]
    pairs = [
        (clip.score, getattr(truth.planted[at], of))
        for clip, at in zip(clips, match_spans([c.span for c in clips], true, 0.5), strict=True)
        if at is not None
    ]
    return kendall_tau([one for one, _ in pairs], [other for _, other in pairs])


def find_decoy_clips(truth: GroundTruth, clips: Sequence[ScoredClip]) -> list[bool]:
    """Q3, for each clip: whether it is about a decoy and touches no planted moment."""
    return [
        any(_about(clip, decoy) for decoy in truth.decoys)
        and all(iou(clip.span, (one.start, one.end)) < 0.1 for one in truth.planted)
        for clip in clips
    ]


def count_cut_words(words: Sequence[Word], clips: Sequence[ScoredClip]) -> tuple[int, int, int]:
    """Q5: how many borders there are, lie inside a word, lie inside or within 80 ms of one."""
    starts = np.array([word.start for word in words])
    ends = np.array([word.end for word in words])
    borders = [edge for clip in clips for edge in clip.span]
    inside = sum(bool(((starts < edge) & (edge < ends)).any()) for edge in borders)
    near = sum(
        bool(((starts - NEAR_WORD_S < edge) & (edge < ends + NEAR_WORD_S)).any())
        for edge in borders
    )
    return len(borders), inside, near


def share_within_lengths(clips: Sequence[ScoredClip], shortest: float, longest: float) -> float:
    """Q7: the share of clips whose length is in the band, to the millisecond."""
    fitting = [shortest - 1e-3 <= clip.end - clip.start <= longest + 1e-3 for clip in clips]
    return sum(fitting) / len(fitting) if fitting else 1.0


def max_overlap(clips: Sequence[ScoredClip]) -> float:
    """Q7: the largest IoU of two clips."""
    return max((iou(a.span, b.span) for a, b in combinations(clips, 2)), default=0.0)


def silence_f1(truth: GroundTruth, features: MediaFeatures) -> float:
    """Q6: over cells of 10 ms; a cell is right if the other side has one within 10 ms."""
    if features.audio is None:
        return 0.0
    count = round(truth.duration / CELL_S)
    predicted = _cells(features.audio.silences, count)
    true = _cells(np.array(truth.silences).reshape(-1, 2), count)
    right = float((predicted & _widened(true)).sum()), float((true & _widened(predicted)).sum())
    return f1(float(predicted.sum()), float(true.sum()), *right)


def cut_f1(truth: GroundTruth, features: MediaFeatures, frames: int) -> float:
    """Q6: hard cuts found within this many frames."""
    return cuts_f1(truth, features.video.cuts if features.video is not None else (), frames)


def cuts_f1(truth: GroundTruth, cuts: Iterable[float], frames: int) -> float:
    predicted, true = np.array([*cuts]), np.array(truth.cuts)
    slack = (frames + 0.25) / truth.fps
    return f1(
        len(predicted), len(true), _near(predicted, true, slack), _near(true, predicted, slack)
    )


def _about(clip: ScoredClip, decoy: Decoy) -> bool:
    moment = decoy.kind in ("click", "flash")
    within = clip.start <= decoy.start <= clip.end
    return within if moment else iou(clip.span, (decoy.start, decoy.end)) >= ABOUT


def _near(ones: NDArray[np.float64], others: NDArray[np.float64], slack: float) -> int:
    return sum(bool((np.abs(others - one) <= slack).any()) for one in ones)


def _cells(spans: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    cells = np.zeros(count, dtype=bool)
    for start, end in spans:
        cells[max(0, round(start / CELL_S)) : round(end / CELL_S)] = True
    return cells


def _widened(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    wide = cells.copy()
    wide[1:] |= cells[:-1]
    wide[:-1] |= cells[1:]
    return wide
