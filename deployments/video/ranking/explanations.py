"""Evidence: why a span was chosen, in words. Signals, sentences, a span in; `Evidence` out."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from deployments.contracts.clips import Evidence
from deployments.video.ranking.audio_signals import MIN_RISE_DB
from deployments.video.ranking.grid import STEP_S
from deployments.video.ranking.sentences import Sentence
from deployments.video.ranking.signals import Signals

MIN_DEVIATION = 1.0  # that is reported
MAX_QUOTES = 3
MAX_EXCERPT = 160  # characters
MAX_QUOTE = 60

NOTES: Mapping[str, Callable[[float], str]] = {
    "energy": lambda most: f"up to {most * MIN_RISE_DB:.0f} dB louder than before and after",
    "bursts": lambda most: f"sudden rises of sound, {most:.1f} deviations above the usual",
    "laughter": lambda most: f"sound that swings as laughter does, {most:.1f} above the usual",
    "motion": lambda most: f"something moves, {most:.1f} deviations above what is around",
    "cuts": lambda most: f"cut faster than usual, {most:.1f} deviations",
    "rate": lambda most: f"spoken faster than usual, {most:.1f} deviations",
}


def evidence_of(
    signals: Signals, sentences: tuple[Sentence, ...], start: float, end: float
) -> tuple[Evidence, ...]:
    """The strongest part of each signal that stands out, then keywords and hooks; by time."""
    evidence = list(_signal_evidence(signals, start, end))
    within = [s for s in sentences if s.start >= start and s.end <= end]
    if "keywords" in signals.curves:
        evidence += [
            _speech_evidence("keywords", s, f"says {_keyword_list(s)}")
            for s in within
            if s.keywords
        ]
    if "hook" in signals.curves:
        best_hooks = sorted(within, key=lambda s: -s.hook.strength)[:MAX_QUOTES]
        evidence += [
            _speech_evidence("hook", s, _hook_note(s)) for s in best_hooks if s.hook.reasons
        ]
    return tuple(sorted(evidence, key=lambda one: (one.start, one.signal)))


def excerpt_of(sentences: tuple[Sentence, ...], start: float, end: float) -> str:
    text = " ".join(
        word.text.strip()
        for sentence in sentences
        for word in sentence.words
        if word.start >= start and word.end <= end
    )
    return _truncate(text, MAX_EXCERPT)


def _signal_evidence(signals: Signals, start: float, end: float) -> Iterator[Evidence]:
    for name, curve in signals.curves.items():
        first = int(start / STEP_S)
        inside = curve[first : max(first + 1, int(np.ceil(end / STEP_S)))]
        if name not in NOTES or inside.size == 0 or inside.max() < MIN_DEVIATION:
            continue
        peak = int(inside.argmax())
        low = np.flatnonzero(inside < inside[peak] / 2)
        left = int(low[low < peak].max(initial=-1)) + 1
        right = int(low[low > peak].min(initial=inside.size))
        begins = max(start, (first + left) * STEP_S)
        ends = min(end, (first + right) * STEP_S)
        yield Evidence(name, round(begins, 3), round(ends, 3), NOTES[name](float(inside[peak])))


def _speech_evidence(signal: str, sentence: Sentence, note: str) -> Evidence:
    return Evidence(signal, round(sentence.start, 3), round(sentence.end, 3), note)


def _keyword_list(sentence: Sentence) -> str:
    return ", ".join(f"'{_truncate(keyword, MAX_QUOTE)}'" for keyword in sentence.keywords)


def _hook_note(sentence: Sentence) -> str:
    return f"'{_truncate(sentence.text, MAX_QUOTE)}': {', '.join(sentence.hook.reasons)}"


def _truncate(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else text[: max_length - 1].rstrip() + "…"
