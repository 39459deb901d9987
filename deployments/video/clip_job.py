"""The job that makes clips of a video: `video.clips`.

    fetch -> transcript -> analyse -> rank -> make each clip, the best first -> done

Flows in: an order. Flows out: a part for each clip, of use as soon as it is ready. Killed anywhere,
another attempt takes the choice of clips and every finished clip from the store and goes on with
the rest. A clip that cannot be made is replaced by the next best stretch.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound, Problem
from cluster.tenants.plan import Plan
from deployments.contracts.clips import Evidence, Highlight
from deployments.contracts.jobs import JobContext, JobResult
from deployments.contracts.media import MediaFeatures, MediaInfo, MediaSource, Transcript
from deployments.video.analysis_cache import VideoAnalyzer, analysis_mode
from deployments.video.clip_metadata import ClipMetadataWriter
from deployments.video.clip_pipeline import ClipPipeline, ClipTask
from deployments.video.errors import MediaDamaged, RenderFailed, SandboxFailed
from deployments.video.executor import gather_or_cancel
from deployments.video.job_spec import CLIPS, ClipJobSpec, from_spec
from deployments.video.probe.tracks import number_of, sound_of
from deployments.video.ranking import RankedHighlights, ranking
from deployments.video.sandbox import private_folder
from deployments.video.transcript_source import TranscriptSource

SEEN, RANKED = 25.0, 28.0  # percent
REPLACEMENTS = 2  # stretches that are tried instead of one that cannot be made

log = logging.getLogger("mobula.clipper")


@dataclass(frozen=True, slots=True)
class ClipJobDependencies:
    """What each stage of a job stands on."""

    files: TenantFiles
    transcribing: TranscriptSource
    seeing: VideoAnalyzer
    producing: ClipPipeline
    describing: ClipMetadataWriter


class ClipJobHandler:
    """The handler of CLIPS. `scratch` is where private folders are made."""

    kind = CLIPS

    def __init__(
        self,
        stages: ClipJobDependencies,
        plan_of: Callable[[str], Plan],
        clock: Clock,
        scratch: Path,
        side_by_side: int,
    ) -> None:
        self._stages = stages
        self._plan_of = plan_of
        self._clock = clock
        self._scratch = scratch
        self._side_by_side = side_by_side

    async def run(self, work: JobContext) -> JobResult:
        """Raises NoSuchVideo where the source is gone, and the problems of the stages."""
        order = from_spec(work.job.spec)
        with private_folder(self._scratch) as folder:
            return await self._run(work, order, folder)

    async def _run(self, work: JobContext, order: ClipJobSpec, folder: Path) -> JobResult:
        tenant = work.job.tenant
        await work.report("fetching", 0.0)
        source = MediaSource(folder / "source", order.info, order.sha256)
        await self._stages.files.fetch(tenant, order.path, source.path)
        await work.report("transcript", 1.0)
        transcript = await self._stages.transcribing.transcript(tenant, order, source, folder)
        choice, facts = await self._chosen(work, order, source, transcript, folder)
        if not choice.best and (why := _without_picture(facts.get("shown"), order)):
            raise MediaDamaged(why, param="start")
        source = replace(source, info=_shown(order.info, facts.pop("shown", None)))
        making = await self._make_all(
            work, replace(order, info=source.info), source, transcript, choice, folder
        )
        if choice.best and making.failed == len(choice.best):
            if making.is_ours:
                raise SandboxFailed("None of the clips could be made, by a fault on our side.")
            raise MediaDamaged("None of the clips could be made; each says why.")
        made = len(choice.best) - making.failed
        return JobResult(
            "partial" if making.failed or facts["partial"] else "succeeded",
            {"video": order.video, "clips": made, "failed": making.failed, **facts},
        )

    async def _chosen(
        self,
        work: JobContext,
        order: ClipJobSpec,
        source: MediaSource,
        transcript: Transcript,
        folder: Path,
    ) -> tuple[RankedHighlights, dict[str, Any]]:
        """The clips to make, the best first, as an earlier attempt chose them if one did."""
        kept = work.checkpoints.get("chosen")
        if kept is None:
            kept = await self._choose(work, order, source, transcript, folder)
            await work.checkpoint("chosen", kept)
        await work.report("ranked", RANKED)
        best = tuple(_highlight(said) for said in kept["highlights"])
        others = tuple(_highlight(said) for said in kept.get("others", ()))
        known = {part.number for part in await work.parts()}
        for number, said in enumerate(kept["highlights"], 1):
            if number not in known:
                await work.part(number, "planned", said)
        return RankedHighlights(best, others), dict(kept["facts"])

    async def _choose(
        self,
        work: JobContext,
        order: ClipJobSpec,
        source: MediaSource,
        transcript: Transcript,
        folder: Path,
    ) -> dict[str, Any]:
        depth = analysis_mode(transcript, source.info.duration)

        async def told(share: float) -> None:
            await work.report("analysing", 2.0 + (SEEN - 2.0) * share)

        await told(0.0)
        features = await self._stages.seeing.features(work.job.tenant, source, folder, depth, told)
        await work.report("ranking", SEEN)
        choice = await asyncio.to_thread(ranking, features, transcript, order.options)
        best = choice.best
        if order.options.rerank:
            job = work.job
            best = await self._stages.describing.ordered(job.tenant, job.key, best)
        facts = {
            "analysis": depth,
            "duration": round(features.duration, 3),
            "partial": features.partial,
            "audio_track": _sound_said(source.info),
            "shown": _shown_said(features),
            "transcript": {
                "origin": transcript.origin,
                "words": len(transcript.words),
                "why": transcript.why,
            },
        }
        others = [asdict(each) for each in choice.others]
        return {"highlights": [asdict(each) for each in best], "others": others, "facts": facts}

    async def _make_all(
        self,
        work: JobContext,
        order: ClipJobSpec,
        source: MediaSource,
        transcript: Transcript,
        choice: RankedHighlights,
        folder: Path,
    ) -> "_JobRun":
        """What came of them in the end. The first is made alone, so that it is soon there; the
        others side by side."""
        parts = [part for part in await work.parts() if part.state == "ready"]
        ready = {part.number for part in parts}
        taken = {(part.data["start"], part.data["end"]) for part in parts}
        spare = [each for each in choice.others if (each.start, each.end) not in taken]
        making = _JobRun(self, work, order, source, transcript, folder, choice, spare)
        left = [(n, each) for n, each in enumerate(choice.best, 1) if n not in ready]
        making.done = len(ready)
        if left:
            await making.one(*left[0], threads=0)
        seats = asyncio.Semaphore(self._side_by_side)

        async def seated(number: int, highlight: Highlight) -> None:
            async with seats:
                await making.one(number, highlight, threads=1)

        await gather_or_cancel(*(seated(number, highlight) for number, highlight in left[1:]))
        return making

    @property
    def producing(self) -> ClipPipeline:
        return self._stages.producing


class _JobRun:
    """The clips of one attempt: how many are done and failed, how far the others are, and which
    stretches are to spare. `is_ours`: a clip failed by a fault on our side."""

    def __init__(
        self,
        clipping: ClipJobHandler,
        work: JobContext,
        order: ClipJobSpec,
        source: MediaSource,
        transcript: Transcript,
        folder: Path,
        choice: RankedHighlights,
        spare: list[Highlight],
    ) -> None:
        self._clipping = clipping
        self._work, self._order, self._source = work, order, source
        self._transcript, self._folder = transcript, folder
        self._total = len(choice.best)
        self._spare = spare
        self._shares: dict[int, float] = {}
        self.done = self.failed = 0
        self.is_ours = False

    async def one(self, number: int, highlight: Highlight, *, threads: int) -> None:
        """A clip that cannot be made is made of the next best stretch instead; where there is none,
        it ends as failed with its problem, and the others go on."""
        first: dict[str, Any] | None = None
        stretch = highlight
        for tried in range(REPLACEMENTS + 1):
            said = await self._tried(number, stretch, threads, first)
            if said is None:
                break
            first = first or said
            if tried == REPLACEMENTS or not self._spare:
                self.failed += 1
                await self._work.part(
                    number, "failed", asdict(highlight) | {"problem": first["problem"]}
                )
                break
            stretch = self._spare.pop(0)
        self._shares.pop(number, None)
        self.done += 1
        await self._report()

    async def _tried(
        self, number: int, highlight: Highlight, threads: int, instead_of: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """None once the clip is there; else which stretch failed, and with which problem."""
        work, job = self._work, self._work.job
        about = {} if instead_of is None else {"instead_of": instead_of}

        async def told(share: float) -> None:
            self._shares[number] = share
            await self._report()

        await work.part(number, "running", asdict(highlight) | about)
        cut = ClipTask(job.tenant, job.id, job.key, number, threads)
        try:
            clip = await self._clipping.producing.clip(
                cut, self._order, self._source, self._transcript, highlight, self._folder, told
            )
        except Problem as problem:
            ours = isinstance(problem, RenderFailed)
            if not ours and (problem.status >= 500 or isinstance(problem, NotFound)):
                raise  # tried again with the job
            self.is_ours = self.is_ours or ours
            why = " ".join(getattr(problem, "__notes__", ()))
            log.warning("clip %d of %s: %s %s", number, job.id, problem.detail, why[-1000:])
            said = {"slug": problem.slug, "detail": problem.detail}
            return {"start": highlight.start, "end": highlight.end, "problem": said}
        await work.part(number, "ready", {**clip, **about})
        return None

    async def _report(self) -> None:
        share = (self.done + sum(self._shares.values())) / self._total
        await self._work.report("making clips", RANKED + (99.0 - RANKED) * min(1.0, share))


def _highlight(said: Mapping[str, Any]) -> Highlight:
    evidence = tuple(Evidence(**each) for each in said["evidence"])
    return Highlight(**{**said, "evidence": evidence})


def _shown_said(features: MediaFeatures) -> list[float] | None:
    shown = None if features.sight is None else features.sight.shown
    return None if shown is None else [round(time, 3) for time in shown]


def _shown(info: MediaInfo, shown: list[float] | None) -> MediaInfo:
    """`info` with the end of the picture that analysis found."""
    if info.video is None or shown is None:
        return info
    return replace(info, video=replace(info.video, end=shown[1]))


def _without_picture(shown: list[float] | None, order: ClipJobSpec) -> str | None:
    """Why nothing could be chosen, where that is for want of a picture."""
    if shown is None or order.info.video is None:
        return None
    end = order.info.duration if order.options.end is None else order.options.end
    return (
        f"start: from {order.options.start:g} to {end:g} s there is nothing to make clips of; the "
        f"recording has a picture from {shown[0]:.1f} to {shown[1]:.1f} s only."
    )


def _sound_said(info: MediaInfo) -> dict[str, Any] | None:
    """Which audio track the clips have, and of how many."""
    track = sound_of(info)
    if track is None:
        return None
    return {
        "number": number_of(info, track),
        "of": len(info.audio),
        "language": track.language,
        "silent": track.silent,
    }
