"""The child that holds the model: what a crash costs, and when another one takes over."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.runtime.clock import ManualClock
from deployments.sandbox.errors import MediaTimeout, MediaTooLarge, SandboxFailed
from deployments.sandbox.resident_child import ChildEnded
from deployments.speech import recognition_child
from deployments.speech.models import SpeechModel
from deployments.speech.recognition_child import RecognitionChild
from tests.unit.speech.recorded_child import ENGLISH, answered, phrase

GOOD = answered(30, phrase("hello", 1.0, 1.5), **ENGLISH)


class ScriptedResident:
    """A ResidentChild whose answers are taken from a script that all of them share."""

    script: Iterator[Any] = iter(())
    pid = 1 << 30

    def __init__(self, command: Any) -> None:
        self.command = command
        self.running = True

    def is_running(self) -> bool:
        return self.running

    def receive(self, timeout_s: float) -> dict[str, Any]:
        return {}

    def request(self, header: dict[str, Any], data: bytes, timeout_s: float) -> dict[str, Any]:
        assert header["bytes"] == len(data)
        answer = next(self.script)
        if isinstance(answer, Exception):
            self.running = False
            raise answer
        return dict(answer)

    def kill(self) -> None:
        self.running = False


@pytest.fixture
def model(tmp_path: Path) -> SpeechModel:
    (tmp_path / "model.bin").write_bytes(b"")
    return SpeechModel("x", tmp_path, "", (tmp_path,))


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecognitionChild:
    monkeypatch.setattr(recognition_child, "ResidentChild", ScriptedResident)
    return RecognitionChild(tmp_path / "scratch", 2, ManualClock())


def scripted(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
    monkeypatch.setattr(ScriptedResident, "script", iter(answers))


def test_a_crash_costs_the_window_that_the_child_was_at(
    child: RecognitionChild, model: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, GOOD, ChildEnded("killed"), GOOD)

    child.recognise(model, {}, b"12")
    answer = child.recognise(model, {}, b"12")

    assert [segment.text for segment in answer.segments_from(10.0)] == [" hello"]
    assert [segment.start for segment in answer.segments_from(10.0)] == [11.0]
    assert child.starts == 2


@pytest.mark.parametrize(
    ("end", "problem"),
    [(ChildEnded("crash"), SandboxFailed), (ChildEnded("slow", timed_out=True), MediaTimeout)],
)
def test_a_window_that_kills_two_children_fails(
    child: RecognitionChild,
    model: SpeechModel,
    monkeypatch: pytest.MonkeyPatch,
    end: ChildEnded,
    problem: type[Exception],
) -> None:
    scripted(monkeypatch, end, end, GOOD)

    with pytest.raises(problem):
        child.recognise(model, {}, b"")
    assert child.pid is None
    assert child.recognise(model, {}, b"").consumed == 30 * 16_000


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"problem": "memory"}, MediaTooLarge),
        ({"problem": "fault"}, SandboxFailed),
        ({"consumed": "many", "segments": []}, SandboxFailed),
        ({"segments": 3}, SandboxFailed),
    ],
)
def test_a_child_that_fails_or_lies_is_ended(
    child: RecognitionChild,
    model: SpeechModel,
    monkeypatch: pytest.MonkeyPatch,
    answer: dict[str, Any],
    problem: type[Exception],
) -> None:
    scripted(monkeypatch, answer)

    with pytest.raises(problem):
        child.recognise(model, {}, b"")
    assert child.pid is None
    assert list((child._scratch).iterdir()) == []


def test_after_many_windows_another_child_takes_over(
    child: RecognitionChild, model: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition_child, "WINDOWS", 2)
    scripted(monkeypatch, *[GOOD] * 5)

    for _ in range(5):
        child.recognise(model, {}, b"")

    assert child.starts == 3


def test_an_interrupted_one_does_not_start_again(
    child: RecognitionChild, model: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, ChildEnded("killed"), GOOD)
    child.interrupt()

    with pytest.raises(SandboxFailed):
        child.recognise(model, {}, b"")
    assert child.starts == 1
