"""Where a clip may begin and end. In: sentences, silences, cuts. Out: points with their quality.

Never inside a word, and 80 ms away from any wherever the speaker leaves that much room. Best are
gaps between sentences, then silences and cuts, then other pauses; where nobody speaks, any second.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import MediaFeatures
from deployments.video.ranking.sentences import Sentence

CLEAR_S = 0.085  # over 80 ms: a millisecond is lost to rounding
LEAD_S = 0.2  # of quiet before the first word
TAIL_S = 0.3  # and after the last
FREE_STEP_S = 0.5
SPARSE_S = 4.0  # a longer stretch without a good point gets the next best ones
SENTENCE, SILENCE, CUT, PAUSE, FREE, NARROW = 1.0, 0.7, 0.7, 0.4, 0.2, 0.0

Spans = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CandidatePoints:
    """Times, rising, each with its quality 0 to 1."""

    times: NDArray[np.float64]
    quality: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CutPoints:
    """`words` are the merged stretches of speech by word, of shape (n, 2)."""

    starts: CandidatePoints
    ends: CandidatePoints
    words: Spans

    def clearance(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds to the nearest word; negative inside one."""
        return clearance(self.words, times)


def borders_of(
    features: MediaFeatures, sentences: tuple[Sentence, ...], start: float, end: float
) -> CutPoints:
    """The points from `start` to `end`, both included where no word is cut by them."""
    words = _merged(sentences)
    closing = {sentence.end for sentence in sentences}
    found = list(_gaps(words, closing, start, end))
    found += list(_landmarks(features))
    sides = [_points(found, side, words, start, end) for side in (0, 1)]
    return CutPoints(sides[0], sides[1], words)


def clearance(words: Spans, times: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(words) == 0:
        return np.full(times.shape, np.inf)
    after = np.searchsorted(words[:, 0], times, side="right")
    past = np.where(after > 0, times - words[np.maximum(after - 1, 0), 1], np.inf)
    ahead = np.where(
        after < len(words), words[np.minimum(after, len(words) - 1), 0] - times, np.inf
    )
    return np.minimum(past, ahead)


Found = tuple[float, float, float]  # as a beginning, as an end, quality


def _gaps(words: Spans, closing: set[float], start: float, end: float) -> Iterator[Found]:
    if len(words) == 0:
        yield start, end, SENTENCE
        return
    yield max(start, words[0, 0] - LEAD_S), max(start, words[0, 0] - LEAD_S), SENTENCE
    for (_, last), (following, _) in zip(words[:-1], words[1:], strict=True):
        gap = following - last
        if gap < 2 * CLEAR_S:
            yield last + gap / 2, last + gap / 2, NARROW
            continue
        quality = SENTENCE if last in closing else PAUSE * min(1.0, gap)
        yield following - min(LEAD_S, gap / 2), last + min(TAIL_S, gap / 2), quality
    yield min(end, words[-1, 1] + TAIL_S), min(end, words[-1, 1] + TAIL_S), SENTENCE


def _landmarks(features: MediaFeatures) -> Iterator[Found]:
    if features.audio is not None:
        for begins, ends in np.asarray(features.audio.silences, dtype=np.float64).reshape(-1, 2):
            inset = min(LEAD_S, (ends - begins) / 2)
            yield ends - inset, begins + inset, SILENCE
    if features.video is not None:
        yield from ((float(cut), float(cut), CUT) for cut in features.video.cuts)


def _points(
    found: list[Found], side: int, words: Spans, start: float, end: float
) -> CandidatePoints:
    times = np.array([point[side] for point in found] + [start, end])
    quality = np.array([point[2] for point in found] + [FREE, FREE])
    free = np.arange(start, end, FREE_STEP_S)
    times = np.concatenate([times, free])
    quality = np.concatenate([quality, np.full(free.size, FREE)])
    room = clearance(words, times)
    inside = (times >= start) & (times <= end) & np.isfinite(times)
    clear = inside & (room >= CLEAR_S)
    near = inside & ~clear & (room >= 0.0)
    near &= _distance(times[clear], times) > SPARSE_S / 2
    kept = clear | near
    chosen = np.where(clear, quality, NARROW)[kept]
    return _unique(times[kept], chosen)


def _distance(those: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each of `times` to the nearest of `those`."""
    if those.size == 0:
        return np.full(times.shape, np.inf)
    held = np.sort(those)
    at = np.searchsorted(held, times)
    left = np.abs(times - held[np.maximum(at - 1, 0)])
    return np.minimum(left, np.abs(held[np.minimum(at, held.size - 1)] - times))


def _unique(times: NDArray[np.float64], quality: NDArray[np.float64]) -> CandidatePoints:
    """Points to the millisecond, the best of equal ones."""
    rounded = np.round(times, 3)
    order = np.lexsort((-quality, rounded))
    held, first = np.unique(rounded[order], return_index=True)
    return CandidatePoints(held, quality[order][first])


def _merged(sentences: tuple[Sentence, ...]) -> Spans:
    """Words by time; those that overlap become one stretch."""
    spans: list[list[float]] = []
    for sentence in sentences:
        for word in sentence.words:
            if spans and word.start < spans[-1][1]:
                spans[-1][1] = max(spans[-1][1], word.end)
            else:
                spans.append([word.start, max(word.end, word.start)])
    return np.array(spans, dtype=np.float64).reshape(-1, 2)
