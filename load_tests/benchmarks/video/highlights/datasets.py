"""Data sets that people annotated, for those who have them. In: their files. Out: `Annotated`.

QVHighlights (`highlight_*_release.jsonl`), a line each: qid, query, duration, vid, relevant_windows
[[start, end], ...] in seconds, relevant_clip_ids (2 s clips), saliency_scores, three of 0 to 4 for
each of those. Predictions are lines of qid, query, vid, pred_relevant_windows [[start, end, score],
...] and pred_saliency_scores, one for each 2 s clip, as its published evaluation reads them.

Rhapsody: a line or a list entry for each episode: its id, duration in seconds, and how often each
of 100 equal segments was replayed, 0 to 1; segments above 0.5 are true, at most 20. Its field names
are arguments, for they differ between its releases.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deployments.contracts.clips import Highlight
from load_tests.benchmarks.video.highlights.metrics import Span

CLIP_S = 2.0
SEGMENTS = 100
REPLAYED = 0.5
MOST_TRUE = 20


@dataclass(frozen=True, slots=True)
class AnnotatedRecording:
    """`saliency` is a value for each of equal parts of the recording, `part_s` seconds long."""

    name: str
    video: str
    duration: float
    query: str
    spans: tuple[Span, ...]
    saliency: tuple[float, ...]
    part_s: float


def qvhighlights(path: Path) -> Iterator[AnnotatedRecording]:
    """Raises KeyError or ValueError for a line that is not one of QVHighlights."""
    for line in _lines(path):
        duration = float(line["duration"])
        saliency = np.zeros(math.ceil(duration / CLIP_S))
        rated = zip(line.get("relevant_clip_ids", ()), line.get("saliency_scores", ()), strict=True)
        for clip, ratings in rated:
            saliency[clip] = sum(ratings) / len(ratings)
        spans = tuple((float(start), float(end)) for start, end in line.get("relevant_windows", ()))
        yield AnnotatedRecording(
            str(line["qid"]),
            line["vid"],
            duration,
            line["query"],
            spans,
            tuple(saliency.tolist()),
            CLIP_S,
        )


def qvhighlights_line(
    annotated: AnnotatedRecording, highlights: Sequence[Highlight]
) -> dict[str, Any]:
    """The prediction for one query; a 2 s clip is as salient as the best highlight over it."""
    saliency = np.zeros(len(annotated.saliency))
    for one in highlights:
        covered = np.s_[int(one.start // CLIP_S) : math.ceil(one.end / CLIP_S)]
        saliency[covered] = np.maximum(saliency[covered], one.score)
    return {
        "qid": int(annotated.name) if annotated.name.isdigit() else annotated.name,
        "query": annotated.query,
        "vid": annotated.video,
        "pred_relevant_windows": [[one.start, one.end, one.score] for one in highlights],
        "pred_saliency_scores": saliency.tolist(),
    }


def rhapsody(
    path: Path, *, name: str = "id", duration: str = "duration", replays: str = "scores"
) -> Iterator[AnnotatedRecording]:
    """Neighbouring true segments become one span. Raises KeyError or ValueError for other data."""
    for entry in _lines(path):
        heat = tuple(float(value) for value in entry[replays])
        if len(heat) != SEGMENTS:
            raise ValueError(f"{replays} has {len(heat)} values, not {SEGMENTS}")
        length = float(entry[duration])
        part = length / SEGMENTS
        best = sorted(range(SEGMENTS), key=lambda at: -heat[at])[:MOST_TRUE]
        true = sorted(at for at in best if heat[at] > REPLAYED)
        spans = tuple((first * part, (last + 1) * part) for first, last in _runs(true))
        title = str(entry.get("title", ""))
        yield AnnotatedRecording(
            str(entry[name]), str(entry[name]), length, title, spans, heat, part
        )


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    text = path.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        yield from json.loads(text)
        return
    yield from (json.loads(line) for line in text.splitlines() if line.strip())
