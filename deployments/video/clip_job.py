"""The handler of clip jobs: `video.clips`.

    fetch -> transcript -> analyse -> rank -> make each clip, the best first -> done

Without a written transcript the recording's speech is recognised while the job works on, and the
first clip of a long one is made of what was heard first (first_clip.py).

Flows in: a job's spec. Flows out: an output for each clip, usable as soon as it is ready. After a
crash another attempt takes the chosen highlights and every finished clip from the store, and makes
the rest. A clip that cannot be made is replaced by the next best highlight.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cluster.blobs.files import TenantFiles
from cluster.runtime.problems import NotFound, Problem
from deployments.contracts.clips import Evidence, Highlight
from deployments.contracts.jobs import JobContext, JobResult
from deployments.contracts.media import MediaFeatures, MediaInfo, MediaSource
from deployments.sandbox import private_folder
from deployments.sandbox.errors import MediaDamaged, RenderFailed, SandboxFailed
from deployments.video.analysis import Mode
from deployments.video.analysis_cache import VideoAnalyzer, analysis_mode
from deployments.video.billing import ChargeSpeech, no_charge
from deployments.video.clip_context import ClipContext
from deployments.video.clip_metadata import ClipMetadataWriter
from deployments.video.clip_pipeline import ClipPipeline
from deployments.video.executor import gather_or_cancel
from deployments.video.first_clip import choose_early
from deployments.video.job_spec import CLIPS, ClipJobSpec, from_spec
from deployments.video.probe.tracks import number_of, sound_of
from deployments.video.ranking import RankedHighlights, ranking, with_pinned
from deployments.video.speech_listener import SpeechListener
from deployments.video.transcript_source import TranscriptSource

ANALYSED, RANKED = 25.0, 28.0  # percent
EARLY = "early"  # the checkpoint of the first clip, if it was made before all was heard
MAX_REPLACEMENTS = 2  # highlights tried in place of one that cannot be made

log = logging.getLogger("mobula.clipper")


@dataclass(frozen=True, slots=True)
class ClipJobDependencies:
    """The stages of a job."""

    files: TenantFiles
    transcripts: TranscriptSource
    analyzer: VideoAnalyzer
    pipeline: ClipPipeline
    metadata_writer: ClipMetadataWriter
    charge_speech: ChargeSpeech = no_charge


class ClipJobHandler:
    """The handler of CLIPS. Private folders are made in `scratch`; `concurrency` is how many clips
    of a job are made at once."""

    kind = CLIPS

    def __init__(self, stages: ClipJobDependencies, scratch: Path, concurrency: int) -> None:
        self._stages = stages
        self._scratch = scratch
        self._concurrency = concurrency

    async def run(self, work: JobContext) -> JobResult:
        """Raises VideoNotFound if the source is gone, and the problems of the stages."""
        spec = from_spec(work.job.spec)
        with private_folder(self._scratch) as folder:
            await work.report("fetching", 0.0)
            source = MediaSource(folder / "source", spec.info, spec.sha256)
            await self._stages.files.fetch(work.job.tenant, spec.path, source.path)
            context = ClipContext(work, spec, source, folder)
            await work.report("transcript", 1.0)
            transcript = await self._stages.transcripts.written(context)
            if transcript is not None:
                return await self._run(replace(context, transcript=transcript))
            async with self._stages.transcripts.listening(context) as listener:
                return await self._run_listening(context, listener)

    async def _run_listening(self, context: ClipContext, listener: SpeechListener) -> JobResult:
        early = await self._make_early(context, listener)

        async def on_progress(share: float) -> None:
            await context.job.report("transcript", 1.0 + (ANALYSED - 1.0) * share)

        transcript = await listener.transcript(on_progress)
        result = await self._run(replace(context, transcript=transcript), early)
        return replace(result, charge=self._stages.charge_speech(context.job.job, listener.heard_s))

    async def _make_early(
        self, context: ClipContext, listener: SpeechListener
    ) -> "_EarlyClip | None":
        """The first clip, if it need not wait for the rest of the speech; that of an earlier
        attempt if it was made. None: no choice was made yet."""
        work = context.job
        if "chosen" in work.checkpoints:
            return None
        if (known := work.checkpoints.get(EARLY)) is not None:
            return _EarlyClip(known["mode"], _highlight(known["highlight"]))

        async def on_progress(share: float) -> None:
            await work.report("analysing", 2.0 + (ANALYSED - 2.0) * share)

        choice = await choose_early(context, listener, self._stages.analyzer, on_progress)
        if choice is None or choice.highlight is None:
            return None
        context = _with_video_end(context, _shown(choice.features))
        context = replace(context, transcript=listener.so_far())
        run = _JobRun(self._stages.pipeline, context, context.spec.options.count, [])
        if await run.try_clip(1, choice.highlight, threads=0) is not None:
            return None  # it takes its chance among the others
        early = {"mode": choice.mode, "highlight": asdict(choice.highlight)}
        await work.checkpoint(EARLY, early)
        return _EarlyClip(choice.mode, choice.highlight)

    async def _run(self, context: ClipContext, early: "_EarlyClip | None" = None) -> JobResult:
        highlights, facts = await self._choose(context, early)
        shown = facts.pop("shown", None)
        if not highlights.best and (why := _without_picture(shown, context.spec)):
            raise MediaDamaged(why, param="start")
        context = _with_video_end(context, shown)
        run = await self._make_all(context, highlights)
        if highlights.best and run.failed == len(highlights.best):
            if run.internal_fault:
                raise SandboxFailed("None of the clips could be made, by a fault on our side.")
            raise MediaDamaged("None of the clips could be made; each says why.")
        made = len(highlights.best) - run.failed
        return JobResult(
            "partial" if run.failed or facts["partial"] else "succeeded",
            {"video": context.spec.video, "clips": made, "failed": run.failed, **facts},
        )

    async def _choose(
        self, context: ClipContext, early: "_EarlyClip | None"
    ) -> tuple[RankedHighlights, dict[str, Any]]:
        """The highlights to make, best first; those of an earlier attempt if it chose any."""
        work = context.job
        chosen = work.checkpoints.get("chosen")
        if chosen is None:
            chosen = await self._rank(context, early)
            await work.checkpoint("chosen", chosen)
        await work.report("ranked", RANKED)
        best = tuple(_highlight(entry) for entry in chosen["highlights"])
        others = tuple(_highlight(entry) for entry in chosen.get("others", ()))
        known = {part.number for part in await work.parts()}
        for number, entry in enumerate(chosen["highlights"], 1):
            if number not in known:
                await work.part(number, "planned", entry)
        return RankedHighlights(best, others), dict(chosen["facts"])

    async def _rank(self, context: ClipContext, early: "_EarlyClip | None") -> dict[str, Any]:
        work, options, info = context.job, context.spec.options, context.source.info
        mode = analysis_mode(context.transcript, info.duration) if early is None else early.mode

        async def on_progress(share: float) -> None:
            await work.report("analysing", 2.0 + (ANALYSED - 2.0) * share)

        await on_progress(0.0)
        features = await self._stages.analyzer.features(context, mode, on_progress)
        await work.report("ranking", ANALYSED)
        highlights = await asyncio.to_thread(ranking, features, context.transcript, options)
        if early is not None:
            highlights = with_pinned(highlights, early.highlight, options.count)
        best = highlights.best
        if options.rerank:
            writer = self._stages.metadata_writer
            best = await writer.ordered(context.tenant, context.key_id, best)
        facts = {
            "analysis": mode,
            "duration": round(features.duration, 3),
            "partial": features.partial,
            "audio_track": _audio_track(info),
            "shown": _shown(features),
            "transcript": {
                "origin": context.transcript.origin,
                "words": len(context.transcript.words),
                "why": context.transcript.why,
            },
        }
        return {
            "highlights": [asdict(highlight) for highlight in best],
            "others": [asdict(highlight) for highlight in highlights.others],
            "facts": facts,
        }

    async def _make_all(self, context: ClipContext, highlights: RankedHighlights) -> "_JobRun":
        """Makes the first clip alone, so that it is ready soon, then the others concurrently."""
        ready = {part.number: part for part in await context.job.parts() if part.state == "ready"}
        used = {(part.data["start"], part.data["end"]) for part in ready.values()}
        spare = [each for each in highlights.others if (each.start, each.end) not in used]
        run = _JobRun(self._stages.pipeline, context, len(highlights.best), spare)
        run.done = len(ready)
        missing = [each for each in enumerate(highlights.best, 1) if each[0] not in ready]
        if missing:
            await run.make_clip(*missing[0], threads=0)
        slots = asyncio.Semaphore(self._concurrency)

        async def make_in_slot(number: int, highlight: Highlight) -> None:
            async with slots:
                await run.make_clip(number, highlight, threads=1)

        await gather_or_cancel(*(make_in_slot(*each) for each in missing[1:]))
        return run


@dataclass(frozen=True, slots=True)
class _EarlyClip:
    """The first clip, made before everything was heard; `mode` is that of the analysis."""

    mode: Mode
    highlight: Highlight


class _JobRun:
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


def _highlight(entry: Mapping[str, Any]) -> Highlight:
    evidence = tuple(Evidence(**each) for each in entry["evidence"])
    return Highlight(**{**entry, "evidence": evidence})


def _shown(features: MediaFeatures) -> list[float] | None:
    """When the first picture comes and the last one goes."""
    shown = None if features.video is None else features.video.shown
    return None if shown is None else [round(time, 3) for time in shown]


def _with_video_end(context: ClipContext, shown: list[float] | None) -> ClipContext:
    """With the end of the picture that analysis found."""
    info = context.spec.info
    if info.video is None or shown is None:
        return context
    info = replace(info, video=replace(info.video, end=shown[1]))
    return replace(
        context,
        spec=replace(context.spec, info=info),
        source=replace(context.source, info=info),
    )


def _without_picture(shown: list[float] | None, spec: ClipJobSpec) -> str | None:
    """Why nothing could be chosen, if that is for want of a picture."""
    if shown is None or spec.info.video is None:
        return None
    end = spec.info.duration if spec.options.end is None else spec.options.end
    return (
        f"start: from {spec.options.start:g} to {end:g} s there is nothing to make clips of; the "
        f"recording has a picture from {shown[0]:.1f} to {shown[1]:.1f} s only."
    )


def _audio_track(info: MediaInfo) -> dict[str, Any] | None:
    """The audio track of the clips, and how many there are."""
    track = sound_of(info)
    if track is None:
        return None
    return {
        "number": number_of(info, track),
        "of": len(info.audio),
        "language": track.language,
        "silent": track.silent,
    }
