"""Features as an analysis would give them, made by hand. In: what happens when. Out: features."""

from collections.abc import Iterable, Sequence

import numpy as np

from deployments.contracts.media import (
    AudioFeatures,
    MediaFeatures,
    Transcript,
    VideoFeatures,
    Word,
)

HOP_S = 0.02
FPS = 10

Span = tuple[float, float]


def audio_features(
    duration: float, loud: Iterable[Span] = (), level: float = -30.0, above: float = 14.0
) -> AudioFeatures:
    """Speech-like levels, with stretches in which bursts rise `above` them."""
    times = np.arange(0, duration, HOP_S)
    values = level + 6 * np.sin(2 * np.pi * times / 1.7) + 3 * np.sin(2 * np.pi * times / 0.61)
    for start, end in loud:
        inside = (times >= start) & (times < end)
        values[inside] += above * (0.6 + 0.4 * np.sin(2 * np.pi * times[inside] / 2.3))
    zeros = np.zeros(times.size, np.float32)
    return AudioFeatures(0.0, HOP_S, values.astype(np.float32), zeros, zeros, np.zeros((0, 2)))


def video_features(
    duration: float, moving: Iterable[Span] = (), cuts: Sequence[float] = ()
) -> VideoFeatures:
    """A still picture, with stretches in which a subject goes to and fro."""
    times = np.arange(0, duration, 1 / FPS)
    places = np.arange(0, duration, 0.2)
    motion = np.full(times.size, 0.001, np.float32)
    subjects = np.tile(np.array([0.5, 0.5, 0.1, 0.2, 0.3], np.float32), (places.size, 1))
    for start, end in moving:
        motion[(times >= start) & (times < end)] = 0.01
        held = (places >= start) & (places < end)
        subjects[held, 0] = 0.5 + 0.3 * np.sin(2 * np.pi * places[held] / 4)
        subjects[held, 4] = 1.0
    return VideoFeatures(
        times,
        np.full(times.size, 0.5, np.float32),
        motion,
        motion,
        np.array(cuts, dtype=np.float64),
        places,
        subjects,
    )


def features(
    duration: float, *, heard: AudioFeatures | None = None, seen: VideoFeatures | None = None
) -> MediaFeatures:
    return MediaFeatures(1, duration, False, seen, heard)


def talk(duration: float, said: dict[int, str] | None = None, pause: float = 0.5) -> Transcript:
    """A sentence of five seconds after another; `said` gives the texts of some by number."""
    words: list[Word] = []
    at, number = 0.3, 0
    while at + 5.0 < duration:
        text = (said or {}).get(number, "the report was put on a table over there.")
        tokens = text.split()
        each = (5.0 - pause) / len(tokens)
        for place, token in enumerate(tokens):
            last = place == len(tokens) - 1
            words.append(Word(at + place * each, at + (place + 0.95) * each, token, last))
        at, number = at + 5.0, number + 1
    return Transcript(tuple(words), "sidecar", "en")
