"""A part of a recording that cannot be decoded is missing from the features, and never fatal."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from deployments.contracts.clips import ClipOptions
from deployments.contracts.jobs import JobContext
from deployments.contracts.media import AudioFeatures, MediaFeatures, MediaSource
from deployments.sandbox.errors import MediaDamaged, MediaTooLarge, SandboxFailed
from deployments.video.analysis import AudioAnalysis
from deployments.video.analysis_cache import VideoAnalyzer
from deployments.video.clip_context import ClipContext
from deployments.video.job_spec import ClipJobSpec
from tests.media_fixtures.infos import picture
from tests.unit.video.ranking.planted_features import audio_features

INFO = picture(9.0)
SPEC = ClipJobSpec("v", "talk.mp4", "p", "ab", INFO, ClipOptions(), 9, 7.0)
CONTEXT = ClipContext(
    cast(JobContext, SimpleNamespace()), SPEC, MediaSource(Path("nowhere"), INFO, "ab"), Path()
)
AUDIO = AudioAnalysis(audio_features(9.0), 9.0, 0)


class FailingExecutor:
    """Tasks of some names fail; the others return the analysis of a sound."""

    def __init__(self, problem: Problem, *names: str) -> None:
        self._problem, self._names = problem, names

    async def run(self, folder: Path, task: Callable[..., Any], *arguments: Any) -> Any:
        if task.__name__ in self._names:
            raise self._problem
        return AUDIO

    async def close(self) -> None: ...


def analyzer(problem: Problem, *names: str) -> VideoAnalyzer:
    executor = FailingExecutor(problem, *names)
    return VideoAnalyzer(None, executor, SystemClock(), 2)  # type: ignore[arg-type]


async def analysed(problem: Problem, *names: str) -> MediaFeatures:
    async def on_progress(share: float) -> None: ...

    return await analyzer(problem, *names)._analyze(CONTEXT, "fast", on_progress)


@pytest.mark.parametrize("task", ["chunk_of_span", "analyse_chunk"])
@pytest.mark.parametrize("problem", [MediaDamaged(), MediaTooLarge("cpu_s", 60)])
async def test_a_damaged_span_is_framed_without_features(problem: Problem, task: str) -> None:
    assert await analyzer(problem, task).analyze_span(CONTEXT, 1.0, 3.0) is None


async def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(SandboxFailed):
        await analyzer(SandboxFailed(), "chunk_of_span").analyze_span(CONTEXT, 1.0, 3.0)


async def test_a_recording_whose_pictures_cannot_be_analysed_is_ranked_by_its_sound() -> None:
    features = await analysed(MediaDamaged(), "analyse_chunk")

    assert features.video is None
    assert isinstance(features.audio, AudioFeatures)
    assert features.partial


async def test_a_recording_of_which_nothing_is_left_is_damaged() -> None:
    with pytest.raises(MediaDamaged, match="Neither a picture nor sound"):
        await analysed(MediaDamaged(), "analyse_chunk", "analyze_audio_task")
