"""What a Media replica counts."""

import pytest

from cluster.runtime.problems import Problem
from deployments.contracts.speech import SpeechProgress
from deployments.media.figures import MediaFigures
from deployments.sandbox.errors import MediaRefused, SandboxFailed


def read(figures: MediaFigures) -> dict[str, dict[tuple[str, ...], object]]:
    return {metric.name: dict(samples) for metric, samples in figures.read()}


def test_outcomes_are_there_from_the_start() -> None:
    found = read(MediaFigures())

    assert set(found["mobula_transcriptions_total"].values()) == {0}
    assert set(found["mobula_media_examined_files_total"].values()) == {0}


def test_seconds_count_once_however_often_progress_is_told() -> None:
    figures = MediaFigures()
    with figures.transcription(30.0) as running:
        for done_s in (60.0, 60.0, 90.0):
            running.note(SpeechProgress(done_s, 120.0))
        assert read(figures)["mobula_open_transcriptions"] == {(): 1}
    found = read(figures)

    assert found["mobula_transcribed_seconds_total"] == {(): 60.0}
    assert found["mobula_transcriptions_total"]["finished",] == 1
    assert found["mobula_open_transcriptions"] == {(): 0}


@pytest.mark.parametrize(
    ("problem", "outcome"), [(MediaRefused(), "refused"), (SandboxFailed(), "failed")]
)
def test_refusals_are_not_failures(problem: Problem, outcome: str) -> None:
    figures = MediaFigures()
    with pytest.raises(type(problem)), figures.transcription():
        raise problem
    with pytest.raises(type(problem)), figures.examination():
        raise problem

    found = read(figures)
    assert found["mobula_transcriptions_total"][outcome,] == 1
    assert found["mobula_media_examined_files_total"][outcome,] == 1
