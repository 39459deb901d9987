"""What a recording does not let be looked at is missing from a clip's making, and never fatal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from deployments.contracts.media import AudioFeatures, MediaFeatures, MediaSource
from deployments.video.analysis.chunk import Heard
from deployments.video.analysis_cache import VideoAnalyzer
from deployments.video.errors import MediaDamaged, MediaTooLarge, SandboxFailed
from tests.media_fixtures.infos import picture
from tests.unit.video.ranking.planted_features import hearing

SOURCE = MediaSource(Path("nowhere"), picture(9.0), "ab")
HEARD = Heard(hearing(9.0), 9.0, 0)


class Failing:
    """A crew whose pieces of some names fail, and which can only listen."""

    def __init__(self, problem: Problem, *names: str) -> None:
        self._problem, self._names = problem, names

    async def run(self, folder: Path, piece: Callable[..., Any], *arguments: Any) -> Any:
        if piece.__name__ in self._names:
            raise self._problem
        return HEARD

    async def close(self) -> None: ...


def seeing(problem: Problem, *names: str) -> VideoAnalyzer:
    return VideoAnalyzer(None, Failing(problem, *names), SystemClock(), 2)  # type: ignore[arg-type]


async def analysed(problem: Problem, *names: str) -> MediaFeatures:
    async def told(share: float) -> None: ...

    return await seeing(problem, *names)._analysed(SOURCE, Path("nowhere"), "fast", told)


@pytest.mark.parametrize("piece", ["chunk_of", "analyse_chunk"])
@pytest.mark.parametrize("problem", [MediaDamaged(), MediaTooLarge("cpu_s", 60)])
async def test_a_damaged_stretch_is_framed_without_having_been_seen(
    problem: Problem, piece: str
) -> None:
    assert await seeing(problem, piece).analyze_span(SOURCE, Path("nowhere"), 1.0, 3.0) is None


async def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(SandboxFailed):
        await seeing(SandboxFailed(), "chunk_of").analyze_span(SOURCE, Path("nowhere"), 1.0, 3.0)


async def test_a_recording_whose_pictures_cannot_be_analysed_is_ranked_by_its_sound() -> None:
    found = await analysed(MediaDamaged(), "analyse_chunk")

    assert found.sight is None
    assert isinstance(found.hearing, AudioFeatures)
    assert found.partial


async def test_a_recording_of_which_nothing_is_left_is_damaged() -> None:
    with pytest.raises(MediaDamaged, match="Neither a picture nor sound"):
        await analysed(MediaDamaged(), "analyse_chunk", "analyze_audio_task")
