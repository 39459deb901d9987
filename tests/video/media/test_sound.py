"""Loudness, true peak and silences of tones, measured in confined children."""

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deployments.contracts.media import MediaLimits
from deployments.media.sound import measure_sound
from deployments.sandbox.errors import NoMedia
from deployments.video.probe.probe import probe
from tests.media_fixtures.infos import picture

RATE = 48_000
SILENCES = ((3.0, 4.5), (8.0, 8.7))
SHORT_SILENCE = (6.0, 6.3)


def tone(path: Path, seconds: float, level_db: float) -> Path:
    """A tone of 1 kHz in both channels, as EBU Tech 3341 has it, with planted silences."""
    times = np.arange(int(seconds * RATE)) / RATE
    samples = 10 ** (level_db / 20) * np.sin(2 * np.pi * 1000 * times)
    for start, end in (*SILENCES, SHORT_SILENCE):
        samples[int(start * RATE) : int(end * RATE)] = 0
    stereo = np.repeat((samples * 32767).astype("<i2")[:, None], 2, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(stereo.tobytes())
    return path


def test_a_tone_is_as_loud_as_it_was_made(tmp_path: Path) -> None:
    file = tone(tmp_path / "tone.wav", 12.0, -23.0)
    info = probe(file, tmp_path, MediaLimits())

    found = measure_sound(file, tmp_path, info)

    assert found.duration == pytest.approx(12.0, abs=0.01)
    assert found.loudness == pytest.approx(-23.0, abs=0.3)
    assert found.true_peak == pytest.approx(-23.0, abs=0.3)
    assert [(span.start, span.end) for span in found.silences] == [
        (pytest.approx(start, abs=0.05), pytest.approx(end, abs=0.05)) for start, end in SILENCES
    ]
    assert found.speech_share < 0.1


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    file = tone(tmp_path / "still.wav", 4.0, -200.0)
    info = probe(file, tmp_path, MediaLimits())

    found = measure_sound(file, tmp_path, info)

    assert (found.loudness, found.loudness_range, found.true_peak) == (None, None, None)
    assert [(span.start, round(span.end)) for span in found.silences] == [(0.0, 4)]


def test_a_recording_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoMedia):
        measure_sound(tmp_path / "none", tmp_path, replace(picture(2.0), audio=()))
