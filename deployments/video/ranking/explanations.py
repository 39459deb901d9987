"""Why a stretch was chosen, in words. In: signals, sentences, a stretch. Out: `Evidence`."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from deployments.contracts.clips import Evidence
from deployments.video.ranking.audio_signals import RISE_DB
from deployments.video.ranking.grid import STEP_S
from deployments.video.ranking.sentences import Sentence
from deployments.video.ranking.signals import Signals

TELLING = 1.0  # deviations that are worth a line
MOST_QUOTES = 3
EXCERPT = 160  # characters
QUOTE = 60

NOTES: Mapping[str, Callable[[float], str]] = {
    "energy": lambda most: f"up to {most * RISE_DB:.0f} dB louder than before and after",
    "bursts": lambda most: f"sudden rises of sound, {most:.1f} deviations above the usual",
    "laughter": lambda most: f"sound that swings as laughter does, {most:.1f} above the usual",
    "motion": lambda most: f"something moves, {most:.1f} deviations above what is around",
    "cuts": lambda most: f"cut faster than usual, {most:.1f} deviations",
    "rate": lambda most: f"spoken faster than usual, {most:.1f} deviations",
}


def evidence_of(
    signals: Signals, sentences: tuple[Sentence, ...], start: float, end: float
) -> tuple[Evidence, ...]:
    """The strongest stretch of each signal that stands out, then what is said; by time."""
    found = list(_measured(signals, start, end))
    within = [s for s in sentences if s.start >= start and s.end <= end]
    if "keywords" in signals.curves:
        found += [_said("keywords", s, f"says {_listed(s)}") for s in within if s.keywords]
    if "hook" in signals.curves:
        gripping = sorted(within, key=lambda s: -s.hook.strength)[:MOST_QUOTES]
        found += [_said("hook", s, _hook_note(s)) for s in gripping if s.hook.reasons]
    return tuple(sorted(found, key=lambda one: (one.start, one.signal)))


def excerpt_of(sentences: tuple[Sentence, ...], start: float, end: float) -> str:
    said = " ".join(
        word.text.strip()
        for sentence in sentences
        for word in sentence.words
        if word.start >= start and word.end <= end
    )
    return _clipped(said, EXCERPT)


def _measured(signals: Signals, start: float, end: float) -> Iterator[Evidence]:
    for name, curve in signals.curves.items():
        first = int(start / STEP_S)
        inside = curve[first : max(first + 1, int(np.ceil(end / STEP_S)))]
        if name not in NOTES or inside.size == 0 or inside.max() < TELLING:
            continue
        peak = int(inside.argmax())
        low = np.flatnonzero(inside < inside[peak] / 2)
        left = int(low[low < peak].max(initial=-1)) + 1
        right = int(low[low > peak].min(initial=inside.size))
        begins = max(start, (first + left) * STEP_S)
        ends = min(end, (first + right) * STEP_S)
        yield Evidence(name, round(begins, 3), round(ends, 3), NOTES[name](float(inside[peak])))


def _said(signal: str, sentence: Sentence, note: str) -> Evidence:
    return Evidence(signal, round(sentence.start, 3), round(sentence.end, 3), note)


def _listed(sentence: Sentence) -> str:
    return ", ".join(f"'{_clipped(keyword, QUOTE)}'" for keyword in sentence.keywords)


def _hook_note(sentence: Sentence) -> str:
    return f"'{_clipped(sentence.text, QUOTE)}': {', '.join(sentence.hook.reasons)}"


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
