"""The real model, confined: made speech is understood, with times; nothing else gives words."""

import os
import re
import signal
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from deployments.contracts.speech import (
    DetectedLanguage,
    SpeechOptions,
    SpeechProgress,
    SpeechSegment,
)
from deployments.speech.engine import SpeechEngine
from load_tests.made_speech import BEGINS, DURATION_S, MADE_SPEECH, SAID

RATE = 16_000
NUMBERS = {"12": "twelve", "300": "three hundred"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model is joined once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
async def engine(home: Path) -> AsyncIterator[SpeechEngine]:
    engine = SpeechEngine("base", home, threads=2)
    yield engine
    await engine.close()


async def hear(
    engine: SpeechEngine, path: Path, seconds: float, **options: object
) -> list[DetectedLanguage | SpeechSegment | SpeechProgress]:
    speech = engine.transcribe(path, None, SpeechOptions(**options), seconds)  # type: ignore[arg-type]
    async with aclosing(speech) as found:
        return [each async for each in found]


def words_of(text: str) -> list[str]:
    plain = re.sub(r"\d+", lambda number: NUMBERS.get(number[0], number[0]), text.lower())
    return re.findall(r"[a-z']+", plain)


def word_errors(said: list[str], heard: list[str]) -> int:
    """Levenshtein's distance of words."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(heard, 1):
            before, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, before + (word != other)),
            )
    return row[-1]


async def test_made_speech_is_understood_and_timed_also_after_a_kill(engine: SpeechEngine) -> None:
    found = await hear(engine, MADE_SPEECH, DURATION_S)

    assert found[0] == DetectedLanguage("en", pytest.approx(1.0, abs=0.1))
    assert found[-1] == SpeechProgress(DURATION_S, DURATION_S)
    segments = [each for each in found if isinstance(each, SpeechSegment)]
    said = words_of(" ".join(SAID))
    heard = words_of(" ".join(segment.text for segment in segments))
    assert word_errors(said, heard) <= 0.08 * len(said)
    words = [word for segment in segments for word in segment.words]
    for sentence, begins in zip(SAID, BEGINS, strict=True):
        near = min(words, key=lambda word, at=begins: abs(word.start - at))  # type: ignore[misc]
        assert near.start == pytest.approx(begins, abs=0.4), sentence
    assert all(one.end <= other.start for one, other in zip(words, words[1:], strict=False))

    pid = engine.child_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    again = await hear(engine, MADE_SPEECH, DURATION_S, language="en", words=False)
    assert engine.child_pid not in (None, pid)
    texts = [each.text for each in again if isinstance(each, SpeechSegment)]
    assert word_errors(said, words_of(" ".join(texts))) <= 0.08 * len(said)


def sound_without_words(kind: str) -> np.ndarray:
    """Ten seconds."""
    dice, times = np.random.default_rng(7), np.arange(10 * RATE) / RATE
    match kind:
        case "noise":
            return 0.2 * dice.standard_normal(times.size)
        case "chords":
            tones = [np.sin(2 * np.pi * hertz * times) for hertz in (220.0, 277.2, 329.6)]
            return 0.2 * sum(tones) * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * times))
        case _:
            return np.zeros(times.size)


@pytest.mark.parametrize(
    "kind",
    [
        "silence",
        *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in ("noise", "chords")),
    ],
)
async def test_what_is_no_speech_has_no_words(
    engine: SpeechEngine, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound_without_words(kind) * 32767).astype("<i2").tobytes())

    found = await hear(engine, path, 10.0)

    assert [each for each in found if isinstance(each, SpeechSegment)] == []
