"""The sound of a planted recording. In: its truth. Out: 16 kHz mono samples, from -1 to 1.

A room's faint noise, a voice for every word, and what the moments and decoys add. Digital silence
where the truth says so. All loudness is stated here, in dBFS of the RMS while it sounds.
"""

import numpy as np
from numpy.typing import NDArray

from load_tests.benchmarks.video.highlights.ground_truth import Decoy, GroundTruth, Ingredient

RATE = 16_000
ROOM_DB, VOICE_DB = -45.0, -24.0
BURST_DB = (-20.0, -10.0)  # at strength 0 and 1
LAUGH_DB = (-28.0, -18.0)
MUSIC_DB, INTRO_DB, CLICK_DB = -16.0, -13.0, -2.0
CELL = RATE // 100
SHORTEST_SILENCE_S = 0.2

Span = tuple[float, float]
Samples = NDArray[np.float32]


def synthesize_audio(truth: GroundTruth) -> tuple[Samples, tuple[Span, ...]]:
    """`duration` seconds of it, and its silences; the same for the same truth.

    Silence is where nothing sounds but the room (or nothing at all) for `SHORTEST_SILENCE_S`.
    """
    noise = np.random.default_rng([truth.seed, 1])
    dry = _dry(truth, noise)
    track = dry + _noise(noise, dry.size) * np.float32(_gain(ROOM_DB))
    for start, end in truth.dead_air:
        track[round(start * RATE) : round(end * RATE)] = 0.0
    return np.clip(track, -1.0, 1.0), _silences(dry)


def _dry(truth: GroundTruth, noise: np.random.Generator) -> Samples:
    """All that is planted, without the room."""
    count = round(truth.duration * RATE)
    track = np.zeros(count, np.float32)
    voice = _voice(noise, count)
    for word in truth.words:
        _add(track, _syllables(noise, voice, word.start, word.end), word.start)
    for moment in truth.planted:
        for part in moment.ingredients:
            if part.kind == "loud":
                _bursts(track, noise, part)
            elif part.kind == "laughter":
                _laughter(track, noise, part)
    for decoy in truth.decoys:
        _decoy(track, noise, decoy)
    return track


def _silences(dry: Samples) -> tuple[Span, ...]:
    cells = np.abs(dry[: dry.size // CELL * CELL]).reshape(-1, CELL).max(axis=1)
    quiet = np.concatenate([[False], cells < _gain(ROOM_DB), [False]])
    turns = np.flatnonzero(quiet[1:] != quiet[:-1]).reshape(-1, 2)
    long = turns[turns[:, 1] - turns[:, 0] >= SHORTEST_SILENCE_S * RATE / CELL] * CELL / RATE
    return tuple((float(start), float(end)) for start, end in long)


def _gain(db: float) -> float:
    return float(10 ** (db / 20))


def _between(ends: tuple[float, float], strength: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * strength


def _noise(noise: np.random.Generator, count: int) -> Samples:
    return noise.standard_normal(count, dtype=np.float32)


def _add(track: Samples, sound: Samples, at: float) -> None:
    first = round(at * RATE)
    room = track[first : first + sound.size]
    room += sound[: room.size]


def _voice(noise: np.random.Generator, count: int) -> Samples:
    """A buzz with a wandering pitch of about 130 Hz, harmonics falling off as a voice's do."""
    turn = np.arange(2048) / 2048 * 2 * np.pi
    wave = np.sum([np.sin(h * turn) / h for h in range(1, 16)], axis=0)
    table = (wave / np.sqrt((wave**2).mean())).astype(np.float32)
    knots = noise.normal(130, 20, count // (RATE // 2) + 2)
    pitch = np.interp(np.arange(count) / (RATE / 2), np.arange(knots.size), knots)
    return table[(np.cumsum(pitch) / RATE * 2048).astype(np.int64) % 2048]


def _syllables(noise: np.random.Generator, voice: Samples, start: float, end: float) -> Samples:
    """The voice's stretch with one swell for each 0.2 s or so, and a little breath."""
    first, count = round(start * RATE), max(1, round((end - start) * RATE))
    part = voice[first : first + count]
    swells = max(1, round((end - start) / 0.2))
    shape = np.abs(np.sin(np.linspace(0, swells * np.pi, part.size, dtype=np.float32))) ** 0.6
    level = _gain(VOICE_DB + noise.normal(0, 1.5))
    wave = (0.9 * part + 0.15 * _noise(noise, part.size)) * shape * level
    return wave.astype(np.float32)


def _bursts(track: Samples, noise: np.random.Generator, part: Ingredient) -> None:
    """Cheers: noise that comes at once and dies down, again and again."""
    at, level = part.start, _gain(_between(BURST_DB, part.strength))
    while at < part.end - 0.3:
        length = min(noise.uniform(0.6, 2.5), part.end - at)
        shape = np.minimum(np.linspace(0, length / 0.05, round(length * RATE)), 1.0)
        shape = shape * np.exp(-1.2 * np.linspace(0, 1, shape.size))
        _add(track, (_noise(noise, shape.size) * shape * level).astype(np.float32), at)
        at += length + noise.uniform(0.1, 1.0)


def _laughter(track: Samples, noise: np.random.Generator, part: Ingredient) -> None:
    """Bouts of noise that swings four to six times a second."""
    at, level = part.start, _gain(_between(LAUGH_DB, part.strength))
    while at < part.end - 0.5:
        length = min(noise.uniform(2.0, 5.0), part.end - at)
        time = np.arange(round(length * RATE)) / RATE
        rate = noise.uniform(4.0, 6.0)
        swing = np.maximum(np.sin(2 * np.pi * rate * time), 0.0) ** 0.7 * 1.6
        _add(track, (_noise(noise, time.size) * swing * level).astype(np.float32), at)
        at += length + noise.uniform(0.4, 1.5)


def _decoy(track: Samples, noise: np.random.Generator, decoy: Decoy) -> None:
    count = round((decoy.end - decoy.start) * RATE)
    if decoy.kind == "click":
        click = np.exp(-np.linspace(0, 5, count)) * np.sign(noise.standard_normal(count))
        _add(track, (click * _gain(CLICK_DB)).astype(np.float32), decoy.start)
    elif decoy.kind == "music":
        fade = np.minimum(np.linspace(0, count / RATE / 2, count), 1.0)
        fade = np.minimum(fade, fade[::-1]).astype(np.float32)
        _add(track, _chord(noise, count, MUSIC_DB) * fade, decoy.start)
    elif decoy.kind == "intro":
        beat = 0.6 + 0.4 * np.maximum(np.sin(2 * np.pi * 2 * np.arange(count) / RATE), 0)
        _add(track, _chord(noise, count, INTRO_DB) * beat.astype(np.float32), decoy.start)


def _chord(noise: np.random.Generator, count: int, db: float) -> Samples:
    """Four steady notes that change every two seconds."""
    time = np.arange(count) / RATE
    step = (time / 2).astype(np.int64)
    roots = noise.choice([196.0, 220.0, 247.0, 262.0], size=int(step.max(initial=0)) + 1)[step]
    phase = np.cumsum(roots) / RATE * 2 * np.pi
    notes = np.sum([np.sin(phase * ratio) for ratio in (1.0, 1.25, 1.5, 2.0)], axis=0)
    return (notes / np.sqrt(2.0) * _gain(db)).astype(np.float32)
