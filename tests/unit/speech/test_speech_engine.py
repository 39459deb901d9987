"""Recordings window by window: order, languages, ranges, turns, and the end of an idle child."""

import asyncio
from contextlib import aclosing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest, NotInstalled, Problem
from deployments.contracts.speech import (
    DetectedLanguage,
    SpeechOptions,
    SpeechProgress,
    SpeechRecognizer,
    SpeechSegment,
)
from deployments.sandbox.errors import SandboxFailed
from deployments.speech.engine import IDLE_S, SpeechEngine
from deployments.speech.windows import BLOCK_S
from tests.unit.speech.recorded_child import (
    RATE,
    answered,
    engine_with,
    phrase,
    read_wave,
    silent_recording,
)

numbers = count()
ENGLISH = {"language": "en", "probability": 0.98}


async def results(
    engine: SpeechRecognizer, source: Path, seconds: float, **options: Any
) -> list[object]:
    async with aclosing(
        engine.transcribe(source, None, SpeechOptions(**options), seconds)
    ) as found:
        return [each async for each in found]


@pytest.fixture(autouse=True)
def _decoded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding takes a child half a second; test_decoding.py is about it."""
    monkeypatch.setattr("deployments.speech.engine.decode_sound", read_wave)


def one_phrase_each(request: dict[str, Any], samples: int) -> dict[str, Any]:
    """Half of every block, with one phrase in it; the last block to its end."""
    whole = samples / RATE
    said = phrase(f"word {samples} {next(numbers)}", 1.0, 1.5)
    return answered(whole if request["last"] else 30, said, **ENGLISH)


async def test_a_recording_is_heard_window_by_window_to_its_end(tmp_path: Path) -> None:
    engine, child = engine_with(one_phrase_each, tmp_path)

    found = await results(engine, silent_recording(tmp_path, 130), 130)
    await engine.close()

    assert found[0] == DetectedLanguage("en", 0.98)
    segments = [each for each in found if isinstance(each, SpeechSegment)]
    assert [segment.start for segment in segments] == [1.0, 31.0, 61.0, 91.0]
    assert [segment.words[0].start for segment in segments] == [1.0, 31.0, 61.0, 91.0]
    progress = [each.done_s for each in found if isinstance(each, SpeechProgress)]
    assert progress == [30.0, 60.0, 90.0, 130.0]
    assert found[-1] == SpeechProgress(130, 130)
    assert [request["last"] for request in child.heard] == [False, False, False, True]
    assert [request["language"] for request in child.heard] == [None, "en", "en", "en"]


async def test_work_that_was_interrupted_goes_on_where_it_stopped(tmp_path: Path) -> None:
    engine, child = engine_with(one_phrase_each, tmp_path)

    found = await results(
        engine, silent_recording(tmp_path, 130), 130, start=60.0, end=100.0, language="de"
    )
    await engine.close()

    assert found == [
        DetectedLanguage("de", 1.0),
        *(each for each in found if isinstance(each, SpeechSegment)),
        SpeechProgress(100.0, 100.0),
    ]
    assert found[1].start == 61.0  # type: ignore[attr-defined]
    assert len(child.heard) == 1


async def test_a_language_that_is_not_sure_is_the_likeliest_of_three_windows(
    tmp_path: Path,
) -> None:
    likely = iter([("cy", 0.3), ("de", 0.45), ("fr", 0.4)])

    def script(request: dict[str, Any], samples: int) -> dict[str, Any]:
        if request["language"] is None:
            language, probability = next(likely)
            return answered(30, language=language, probability=probability, unsure=True)
        return one_phrase_each(request, samples)

    engine, child = engine_with(script, tmp_path)
    found = await results(engine, silent_recording(tmp_path, 200), 200)
    await engine.close()

    assert found[0] == DetectedLanguage("de", 0.45)
    assert [each for each in found if isinstance(each, DetectedLanguage)] == found[:1]
    assert {request["language"] for request in child.heard[3:]} == {"de"}


async def test_nothing_is_said_of_a_recording_without_speech(tmp_path: Path) -> None:
    engine, _ = engine_with(lambda request, samples: answered(samples / RATE), tmp_path)

    found = await results(engine, silent_recording(tmp_path, 5), 5)
    await engine.close()

    assert found == [SpeechProgress(5, 5)]


async def test_a_phrase_that_comes_again_and_again_is_a_loop(tmp_path: Path) -> None:
    phrases = [phrase("Thank you.", n, n + 0.9) for n in range(9)]
    engine, _ = engine_with(
        lambda request, samples: answered(samples / RATE, *phrases, **ENGLISH), tmp_path
    )

    found = await results(engine, silent_recording(tmp_path, 10), 10)
    await engine.close()

    assert len([each for each in found if isinstance(each, SpeechSegment)]) == 3


async def test_an_answer_that_moves_nothing_does_not_stop_the_rest(tmp_path: Path) -> None:
    engine, child = engine_with(lambda request, samples: answered(0), tmp_path)

    found = await results(engine, silent_recording(tmp_path, 0.5), 0.5)
    await engine.close()

    assert found[-1] == SpeechProgress(0.5, 0.5)
    assert len(child.heard) == 5


async def test_two_recordings_take_turns(tmp_path: Path) -> None:
    engine, child = engine_with(one_phrase_each, tmp_path)
    long, short = tmp_path / "long", tmp_path / "short"
    long.mkdir()
    short.mkdir()

    async def hear(folder: Path, seconds: float) -> float:
        """After how many windows of both its own were done."""
        await results(engine, silent_recording(folder, seconds), seconds)
        return len(child.heard)

    after_long, after_short = await asyncio.gather(hear(long, 8 * BLOCK_S), hear(short, 10))
    await engine.close()

    assert after_short < after_long / 2


async def test_five_idle_minutes_give_the_child_s_memory_back(tmp_path: Path) -> None:
    clock = ManualClock()
    engine, _ = engine_with(one_phrase_each, tmp_path, clock)
    recording = silent_recording(tmp_path, 5)

    await results(engine, recording, 5)
    clock.advance(IDLE_S - 1)
    await engine.end_if_idle()
    assert engine.child_pid is not None

    clock.advance(2)
    await engine.end_if_idle()
    assert engine.child_pid is None

    await results(engine, recording, 5)
    assert engine.child_pid is not None
    await engine.close()
    assert engine.child_pid is None


async def test_a_child_with_a_recording_in_work_is_not_idle(tmp_path: Path) -> None:
    clock = ManualClock()
    engine, _ = engine_with(one_phrase_each, tmp_path, clock)
    async with aclosing(
        engine.transcribe(silent_recording(tmp_path, 130), None, SpeechOptions(), 130)
    ) as found:
        async for _ in found:
            clock.advance(2 * IDLE_S)
            await engine.end_if_idle()
            assert engine.child_pid is not None
            break
    await engine.close()
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize("language", ["xx", "english", "EN"])
async def test_a_language_that_is_none_is_refused_by_name(tmp_path: Path, language: str) -> None:
    engine, _ = engine_with(one_phrase_each, tmp_path)

    with pytest.raises(InvalidRequest, match="language: ") as refusal:
        await results(engine, tmp_path / "none", 1, language=language)
    assert refusal.value.param == "language"
    await engine.close()


async def test_without_a_model_the_answer_says_what_to_set(tmp_path: Path) -> None:
    engine = SpeechEngine("off", tmp_path)

    with pytest.raises(NotInstalled, match=r"Set video\.speech"):
        await results(engine, tmp_path / "none", 1)
    await engine.close()


async def test_what_the_child_cannot_do_reaches_the_caller(tmp_path: Path) -> None:
    def fail(request: dict[str, Any], samples: int) -> dict[str, Any]:
        raise SandboxFailed

    engine, _ = engine_with(fail, tmp_path)

    with pytest.raises(Problem):
        await results(engine, silent_recording(tmp_path, 1), 1)
    await engine.close()
    assert not list((tmp_path / "scratch").iterdir())
