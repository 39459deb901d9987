"""A clip that cannot be made becomes the next best stretch, or tells its problem."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cluster.runtime.problems import NotFound, Problem
from deployments.contracts.clips import ClipOptions, Highlight
from deployments.contracts.jobs import JobContext
from deployments.contracts.media import MediaSource
from deployments.sandbox.errors import MediaDamaged, RenderFailed, SandboxFailed
from deployments.video.clip_context import ClipContext
from deployments.video.clip_pipeline import ClipPipeline
from deployments.video.clip_run import MAX_REPLACEMENTS, ClipRun
from deployments.video.job_spec import ClipJobSpec
from tests.media_fixtures.infos import picture

SPEC = ClipJobSpec(
    "vid_1", "talk", "videos/vid_1/source", "ab", picture(60.0), ClipOptions(), 60, 7.0
)
SOURCE = MediaSource(Path("nowhere"), SPEC.info, "ab")


def stretch(start: float) -> Highlight:
    return Highlight(start, start + 5, 0.5, {}, ())


class RecordedJob:
    """Records the outputs of the job."""

    job = SimpleNamespace(tenant="acme", id="job_1", key="k")

    def __init__(self) -> None:
        self.parts: list[tuple[int, str, Mapping[str, Any]]] = []

    async def part(self, number: int, state: str, data: Mapping[str, Any]) -> None:
        self.parts.append((number, state, data))

    async def report(self, stage: str, percent: float) -> None: ...


class FailingPipeline:
    """Cannot make clips that begin at some seconds."""

    def __init__(self, problems: Mapping[float, Problem]) -> None:
        self._problems = problems

    async def make_clip(
        self, context: ClipContext, highlight: Highlight, *_: Any
    ) -> dict[str, Any]:
        if (problem := self._problems.get(highlight.start)) is not None:
            raise problem
        return {"start": highlight.start, "end": highlight.end}


async def made(problems: Mapping[float, Problem], *spare: float) -> tuple[ClipRun, RecordedJob]:
    """A job of one clip, at 10 s, with others to spare."""
    work = RecordedJob()
    pipeline = cast(ClipPipeline, FailingPipeline(problems))
    context = ClipContext(cast(JobContext, work), SPEC, SOURCE, Path("nowhere"))
    run = ClipRun(pipeline, context, 1, [stretch(start) for start in spare])
    await run.make_clip(1, stretch(10.0), threads=1)
    return run, work


@pytest.mark.parametrize("problem", [MediaDamaged("Nothing there."), RenderFailed()])
async def test_the_next_best_takes_the_place_of_one_that_fails(problem: Problem) -> None:
    making, work = await made({10.0: problem}, 30.0, 40.0)

    number, state, data = work.parts[-1]
    assert (number, state, data["start"]) == (1, "ready", 30.0)
    assert data["instead_of"] == {
        "start": 10.0,
        "end": 15.0,
        "problem": {"slug": problem.slug, "detail": problem.detail},
    }
    assert (making.done, making.failed) == (1, 0)


async def test_a_clip_that_nothing_replaces_ends_with_its_own_problem() -> None:
    making, work = await made({10.0: MediaDamaged("first"), 30.0: MediaDamaged("second")}, 30.0)

    number, state, data = work.parts[-1]
    assert (number, state, data["start"]) == (1, "failed", 10.0)
    assert data["problem"] == {"slug": "media-damaged", "detail": "first"}
    assert (making.done, making.failed, making.internal_fault) == (1, 1, False)


async def test_only_so_many_stretches_are_tried() -> None:
    spare = [20.0 + 10 * number for number in range(MAX_REPLACEMENTS + 3)]
    _, work = await made({start: RenderFailed() for start in (10.0, *spare)}, *spare)

    assert [state for _, state, _ in work.parts].count("running") == MAX_REPLACEMENTS + 1


async def test_a_command_of_ours_that_fails_blames_us_and_not_the_recording() -> None:
    making, work = await made({10.0: RenderFailed()})

    assert making.internal_fault
    assert work.parts[-1][2]["problem"]["slug"] == "render-failed"


@pytest.mark.parametrize("problem", [SandboxFailed(), NotFound("gone")])
async def test_what_may_fare_better_later_is_left_to_the_job(problem: Problem) -> None:
    with pytest.raises(type(problem)):
        await made({10.0: problem}, 30.0)
