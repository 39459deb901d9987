"""What sound is like: silences to 10 ms, and what may be speech."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.video.analysis.audio_features import (
    HOP,
    RATE,
    BlockSums,
    SpectralFrames,
    SpectrumAnalyzer,
    detect_silence,
    silence_threshold,
    speech_probability,
)

Sound = NDArray[np.float32]


def level_of(sound: Sound) -> Sound:
    power = np.square(sound[: sound.size // HOP * HOP]).reshape(-1, HOP).mean(axis=1)
    return (10 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)


def heard(sound: Sound, block: int = 5_000) -> SpectralFrames:
    listener = SpectrumAnalyzer()
    for begin in range(0, sound.size, block):
        listener.push(sound[begin : begin + block])
    return listener.finish(sound.size // HOP)


def likely(sound: Sound) -> float:
    """The mean likelihood of speech away from the ends."""
    return float(speech_probability(heard(sound), level_of(sound))[50:-50].mean())


def test_planted_silences_are_found_to_ten_milliseconds() -> None:
    rng = np.random.default_rng(2)
    level = rng.normal(-20, 4, 60_000).astype(np.float32)
    planted = np.zeros(level.size, bool)
    for begin in range(500, 59_000, 700):
        planted[begin : begin + int(rng.integers(20, 300))] = True
    level[planted] = rng.normal(-55, 2, int(planted.sum()))

    found = np.zeros(level.size, bool)
    for begin, end in detect_silence(level, 0.0, 0.01):
        found[round(begin * 100) : round(end * 100)] = True

    right = float((found & planted).sum())
    assert 2 * right / (found.sum() + planted.sum()) >= 0.98


def test_silences_lie_on_the_timeline_of_the_source() -> None:
    level = np.array([-20.0] * 100 + [-120.0] * 50 + [-20.0] * 100, np.float32)
    assert detect_silence(level, 2.5, 0.01).tolist() == pytest.approx(np.array([[3.5, 4.0]]))


def test_a_short_gap_is_no_silence() -> None:
    level = np.array([-20.0] * 100 + [-120.0] * 19 + [-20.0] * 100, np.float32)
    assert detect_silence(level, 0.0, 0.01).shape == (0, 2)


@pytest.mark.parametrize(
    ("level", "lowest", "highest"),
    [
        pytest.param([-120.0], -60, -60, id="digital silence"),
        pytest.param([-20.0, -21.0], -45, -40, id="constant music has no silence"),
        pytest.param([-20.0] * 9 + [-50.0] * 2, -40, -30, id="midway in a talk in a room"),
    ],
)
def test_silence_is_relative_to_the_recording(
    level: list[float], lowest: float, highest: float
) -> None:
    assert lowest <= silence_threshold(np.array(level, np.float32)) <= highest


@given(st.sampled_from((8000, 11_025, 22_050, 44_100, 48_000)), st.integers(0, 5), st.data())
def test_sums_do_not_depend_on_the_blocks_they_come_in(
    rate: int, seed: int, data: st.DataObject
) -> None:
    values = np.random.default_rng(seed).random(rate // 2)
    cuts = sorted(data.draw(st.lists(st.integers(0, values.size), max_size=6)))
    whole, parts = BlockSums(rate, 100), BlockSums(rate, 100)
    whole.push(values)
    for block in np.split(values, cuts):
        parts.push(block)

    assert len(parts.complete) == len(whole.complete) >= 49
    assert np.allclose(parts.complete, whole.complete)
    assert sum(whole.complete) + whole.remainder()[0] == pytest.approx(values.sum())


T = np.arange(RATE * 8) / RATE
NOISE = np.random.default_rng(0).standard_normal(T.size)


def talk() -> Sound:
    """Five syllables a second: a gliding pitch with its formants, then a hiss."""
    beat = (T * 5) % 1
    pitch = 120 + 25 * np.sin(2 * np.pi * 0.7 * T)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = [np.exp(-(((k * 120 - 650) / 500) ** 2)) + 0.1 for k in range(1, 24)]
    voice = sum(f * np.sin(k * phase) for k, f in enumerate(formants, 1))
    hiss = 0.3 * NOISE * (beat > 0.6) * (beat < 0.8)
    return (0.05 * voice * np.sin(np.pi * np.clip(beat / 0.6, 0, 1)) + 0.2 * hiss).astype("f4")


def melody() -> Sound:
    notes = np.array([220, 262, 330, 392])[(np.floor(T * 2).astype(int)) % 4]
    phase = 2 * np.pi * np.cumsum(notes) / RATE
    return (0.2 * (np.sin(phase) + np.sin(2 * phase) / 2) * np.exp(-3 * ((T * 2) % 1))).astype("f4")


def test_talk_is_likely_speech() -> None:
    assert likely(talk()) > 0.6


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param((0.1 * NOISE), id="noise"),
        pytest.param(0.2 * NOISE * (np.sin(2 * np.pi * 4.5 * T) > 0), id="laughter-like noise"),
        pytest.param(0.2 * np.sin(2 * np.pi * 440 * T), id="tone"),
        pytest.param(melody(), id="melody"),
        pytest.param(0 * T, id="silence"),
        pytest.param((T * 3 % 1 < 1 / RATE) * 0.9, id="clicks"),
    ],
)
def test_what_is_not_talk_is_unlikely_speech(sound: Sound) -> None:
    assert likely(sound.astype(np.float32)) < 0.2


def test_novelty_marks_where_a_sound_sets_in() -> None:
    sound = (0.2 * np.sin(2 * np.pi * 440 * T) * (T >= 4)).astype(np.float32)
    assert abs(int(heard(sound).novelty.argmax()) - 400) <= 2


def test_what_is_heard_does_not_depend_on_the_blocks_it_comes_in() -> None:
    sound = talk()
    one, other = heard(sound, sound.size), heard(sound, 777)
    assert np.allclose(one.voice_db, other.voice_db, atol=1e-3)
    assert np.allclose(one.novelty, other.novelty, atol=1e-4)
