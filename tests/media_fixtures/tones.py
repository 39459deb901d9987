"""A tone with planted silences, as a file."""

import wave
from pathlib import Path

import numpy as np

RATE = 48_000
SILENCES = ((3.0, 4.5), (8.0, 8.7))
SHORT_SILENCE = (6.0, 6.3)


def tone(path: Path, seconds: float, level_db: float, *, is_broken: bool = True) -> Path:
    """A tone of 1 kHz in both channels, as EBU Tech 3341 has it; with planted silences if it
    `is_broken`."""
    times = np.arange(int(seconds * RATE)) / RATE
    samples = 10 ** (level_db / 20) * np.sin(2 * np.pi * 1000 * times)
    for start, end in (*SILENCES, SHORT_SILENCE) if is_broken else ():
        samples[int(start * RATE) : int(end * RATE)] = 0
    stereo = np.repeat((samples * 32767).astype("<i2")[:, None], 2, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(stereo.tobytes())
    return path
