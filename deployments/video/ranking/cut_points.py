"""Cut points: where a clip may begin and end. Sentences, silences, cuts in; points with quality
out.

Never inside a word, and at least 80 ms away from any if the speaker pauses that long. The best are
gaps between sentences, then silences and cuts, then other pauses; without speech, any half second.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import MediaFeatures
from deployments.video.ranking.sentences import Sentence

MIN_CLEARANCE_S = 0.085  # 80 ms, and some for rounding
EDGE_S = 5e-4  # half of the grid of cut points, which are whole milliseconds
LEAD_S = 0.2  # of silence before the first word
TAIL_S = 0.3  # and after the last
FREE_STEP_S = 0.5
MAX_GAP_S = 4.0  # a longer gap between good points gets the next best ones
SENTENCE, SILENCE, CUT, PAUSE, FREE, NARROW = 1.0, 0.7, 0.7, 0.4, 0.2, 0.0

Spans = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CandidatePoints:
    """Rising times, each with its quality 0 to 1."""

    times: NDArray[np.float64]
    quality: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CutPoints:
    """`words` are the merged spans of words, of shape (n, 2)."""

    starts: CandidatePoints
    ends: CandidatePoints
    words: Spans

    def clearance(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds to the nearest word; negative inside one."""
        return clearance(self.words, times)


def find_cut_points(
    features: MediaFeatures, sentences: tuple[Sentence, ...], start: float, end: float
) -> CutPoints:
    """The points from `start` to `end`, both included unless they cut a word."""
    words = _merge_words(sentences)
    sentence_ends = {sentence.end for sentence in sentences}
    options = list(_gaps(words, sentence_ends, start, end))
    options += list(_landmarks(features))
    sides = [_candidate_points(options, side, words, start, end) for side in (0, 1)]
    return CutPoints(sides[0], sides[1], words)


def clearance(words: Spans, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds from each time to the nearest word; negative inside one. Where a word begins or ends,
    as exactly as whole milliseconds tell, it is 0, also between two words without a gap.
    """
    if len(words) == 0:
        return np.full(times.shape, np.inf)
    after = np.searchsorted(words[:, 0], times - EDGE_S, side="right")
    since_last = np.where(after > 0, times - words[np.maximum(after - 1, 0), 1], np.inf)
    to_next = np.where(
        after < len(words), words[np.minimum(after, len(words) - 1), 0] - times, np.inf
    )
    nearest = np.minimum(since_last, to_next)
    return np.where(np.abs(nearest) <= EDGE_S, 0.0, nearest)


PointOption = tuple[float, float, float]  # as a beginning, as an end, quality


def _gaps(
    words: Spans, sentence_ends: set[float], start: float, end: float
) -> Iterator[PointOption]:
    if len(words) == 0:
        yield start, end, SENTENCE
        return
    yield max(start, words[0, 0] - LEAD_S), max(start, words[0, 0] - LEAD_S), SENTENCE
    for (_, last), (following, _) in zip(words[:-1], words[1:], strict=True):
        gap = following - last
        if gap < 2 * MIN_CLEARANCE_S:
            yield last + gap / 2, last + gap / 2, NARROW
            continue
        quality = SENTENCE if last in sentence_ends else PAUSE * min(1.0, gap)
        yield following - min(LEAD_S, gap / 2), last + min(TAIL_S, gap / 2), quality
    yield min(end, words[-1, 1] + TAIL_S), min(end, words[-1, 1] + TAIL_S), SENTENCE


def _landmarks(features: MediaFeatures) -> Iterator[PointOption]:
    if features.audio is not None:
        for begins, ends in np.asarray(features.audio.silences, dtype=np.float64).reshape(-1, 2):
            inset = min(LEAD_S, (ends - begins) / 2)
            yield ends - inset, begins + inset, SILENCE
    if features.video is not None:
        yield from ((float(cut), float(cut), CUT) for cut in features.video.cuts)


def _candidate_points(
    options: list[PointOption], side: int, words: Spans, start: float, end: float
) -> CandidatePoints:
    times = np.array([point[side] for point in options] + [start, end])
    quality = np.array([point[2] for point in options] + [FREE, FREE])
    regular = np.arange(start, end, FREE_STEP_S)
    times = np.concatenate([times, regular])
    quality = np.concatenate([quality, np.full(regular.size, FREE)])
    clearances = clearance(words, times)
    inside = (times >= start) & (times <= end) & np.isfinite(times)
    clear = inside & (clearances >= MIN_CLEARANCE_S)
    is_near = inside & ~clear & (clearances >= 0.0)
    is_near &= _nearest_distance(times[clear], times) > MAX_GAP_S / 2
    usable = clear | is_near
    chosen_quality = np.where(clear, quality, NARROW)[usable]
    return _deduplicate(times[usable], chosen_quality)


def _nearest_distance(
    points: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """From each of `times` to the nearest of `points`."""
    if points.size == 0:
        return np.full(times.shape, np.inf)
    sorted_points = np.sort(points)
    index = np.searchsorted(sorted_points, times)
    left = np.abs(times - sorted_points[np.maximum(index - 1, 0)])
    return np.minimum(
        left, np.abs(sorted_points[np.minimum(index, sorted_points.size - 1)] - times)
    )


def _deduplicate(times: NDArray[np.float64], quality: NDArray[np.float64]) -> CandidatePoints:
    """Points to the millisecond, the best of equal ones."""
    rounded = np.round(times, 3)
    order = np.lexsort((-quality, rounded))
    unique_times, first = np.unique(rounded[order], return_index=True)
    return CandidatePoints(unique_times, quality[order][first])


def _merge_words(sentences: tuple[Sentence, ...]) -> Spans:
    """Words by time; overlapping ones become one span."""
    spans: list[list[float]] = []
    for sentence in sentences:
        for word in sentence.words:
            if spans and word.start < spans[-1][1]:
                spans[-1][1] = max(spans[-1][1], word.end)
            else:
                spans.append([word.start, max(word.end, word.start)])
    return np.array(spans, dtype=np.float64).reshape(-1, 2)
