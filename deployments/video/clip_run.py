"""The clips of one attempt of a job: made one by one, each replaced by the next best highlight
if it cannot be made.

Flows in: a clip job's context and highlights. Flows out: an output of the job for each clip.
"""

import logging
from dataclasses import asdict
from typing import Any

from cluster.runtime.problems import NotFound, Problem
from deployments.contracts.clips import Highlight
from deployments.sandbox.errors import RenderFailed
from deployments.video.clip_context import ClipContext
from deployments.video.clip_pipeline import ClipPipeline

RANKED = 28.0  # percent of a job that is done when its clips begin
MAX_REPLACEMENTS = 2  # highlights tried in place of one that cannot be made

log = logging.getLogger("mobula.clipper")


class ClipRun:
    """The clips of one attempt, `total` in number. `internal_fault`: a clip failed by a fault of
    ours. `spare` are the highlights that can replace one that cannot be made."""

    def __init__(
        self, pipeline: ClipPipeline, context: ClipContext, total: int, spare: list[Highlight]
    ) -> None:
        self._pipeline = pipeline
        self._context = context
        self._total = total
        self._spare = spare
        self._progress: dict[int, float] = {}  # of the clips in the making
        self.done = self.failed = 0
        self.internal_fault = False

    async def make_clip(self, number: int, highlight: Highlight, *, threads: int) -> None:
        """If a clip cannot be made, the next best highlight takes its place; without one it ends
        as failed with its problem. Either way the other clips are made."""
        first_failure: dict[str, Any] | None = None
        candidate = highlight
        for attempt in range(MAX_REPLACEMENTS + 1):
            failure = await self.try_clip(number, candidate, threads, first_failure)
            if failure is None:
                break
            first_failure = first_failure or failure
            if attempt == MAX_REPLACEMENTS or not self._spare:
                self.failed += 1
                data = asdict(highlight) | {"problem": first_failure["problem"]}
                await self._context.job.part(number, "failed", data)
                break
            candidate = self._spare.pop(0)
        self._progress.pop(number, None)
        self.done += 1
        await self._report()

    async def try_clip(
        self,
        number: int,
        highlight: Highlight,
        threads: int,
        instead_of: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """None once the clip is ready; else which highlight failed, and its problem."""
        work = self._context.job
        replaced = {} if instead_of is None else {"instead_of": instead_of}

        async def on_progress(share: float) -> None:
            self._progress[number] = share
            await self._report()

        await work.part(number, "running", asdict(highlight) | replaced)
        try:
            clip = await self._pipeline.make_clip(
                self._context, highlight, number, threads, on_progress
            )
        except Problem as problem:
            is_internal = isinstance(problem, RenderFailed)
            if not is_internal and (problem.status >= 500 or isinstance(problem, NotFound)):
                raise  # the whole job is retried
            self.internal_fault = self.internal_fault or is_internal
            notes = " ".join(getattr(problem, "__notes__", ()))[-1000:]
            log.warning("clip %d of %s: %s %s", number, work.job.id, problem.detail, notes)
            reason = {"slug": problem.slug, "detail": problem.detail}
            return {"start": highlight.start, "end": highlight.end, "problem": reason}
        await work.part(number, "ready", {**clip, **replaced})
        return None

    async def _report(self) -> None:
        share = (self.done + sum(self._progress.values())) / self._total
        percent = RANKED + (99.0 - RANKED) * min(1.0, share)
        await self._context.job.report("making clips", percent)
