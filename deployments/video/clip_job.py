"""The handler of clip jobs: `video.clips`.

    fetch -> transcript -> analyse -> rank -> make each clip, the best first -> done

Without a written transcript the recording's speech is recognised while the job works on, and the
first clip of a long one is made of what was heard first (first_clip.py).

Flows in: a job's spec. Flows out: an output for each clip, usable as soon as it is ready. After a
crash another attempt takes the chosen highlights and every finished clip from the store, and makes
the rest. A clip that cannot be made is replaced by the next best highlight.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cluster.blobs.files import TenantFiles
from deployments.contracts.clips import Evidence, Highlight
from deployments.contracts.jobs import JobContext, JobResult
from deployments.contracts.media import MediaFeatures, MediaInfo, MediaSource
from deployments.sandbox import private_folder
from deployments.sandbox.errors import MediaDamaged, SandboxFailed
from deployments.video.analysis import Mode
from deployments.video.analysis_cache import ProgressCallback, VideoAnalyzer, analysis_mode
from deployments.video.billing import ChargeSpeech, no_charge
from deployments.video.clip_context import ClipContext
from deployments.video.clip_metadata import ClipMetadataWriter
from deployments.video.clip_pipeline import ClipPipeline
from deployments.video.clip_run import RANKED, ClipRun
from deployments.video.executor import gather_or_cancel
from deployments.video.first_clip import choose_early
from deployments.video.job_spec import CLIPS, ClipJobSpec, from_spec
from deployments.video.probe.tracks import number_of, sound_of
from deployments.video.ranking import RankedHighlights, ranking, with_pinned
from deployments.video.speech_listener import SpeechListener
from deployments.video.transcript_source import TranscriptSource

ANALYSED = 25.0  # percent
EARLY = "early"  # the checkpoint of the first clip, if it was made before all was heard


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
        """The first clip, if it need not wait for the rest of the speech. The choice is stored
        before the clip is made, so that another attempt makes the same one. None: the first clip is
        chosen with the others."""
        work = context.job
        if "chosen" in work.checkpoints:
            return None

        async def on_progress(share: float) -> None:
            await work.report("analysing", 2.0 + (ANALYSED - 2.0) * share)

        known = work.checkpoints.get(EARLY)
        if known is None:
            choice = await choose_early(context, listener, self._stages.analyzer, on_progress)
            if choice is None or choice.highlight is None:
                return None
            known = {"mode": choice.mode, "highlight": asdict(choice.highlight)}
            await work.checkpoint(EARLY, known)
        if known["highlight"] is None:
            return None
        early = _EarlyClip(known["mode"], _highlight(known["highlight"]))
        if await self._make_first(context, listener, early, on_progress):
            return early
        await work.checkpoint(EARLY, {**known, "highlight": None})
        return None  # it takes its chance among the others

    async def _make_first(
        self,
        context: ClipContext,
        listener: SpeechListener,
        early: "_EarlyClip",
        on_progress: ProgressCallback,
    ) -> bool:
        """Whether the first clip is ready; at once if an earlier attempt has made it."""
        parts = await context.job.parts()
        if any(part.number == 1 and part.state == "ready" for part in parts):
            return True
        features = await self._stages.analyzer.features(context, early.mode, on_progress)
        await listener.wait_until(early.highlight.end)
        context = _with_video_end(context, _shown(features))
        context = replace(context, transcript=listener.so_far())
        run = ClipRun(self._stages.pipeline, context, context.spec.options.count, [])
        return await run.try_clip(1, early.highlight, threads=0) is None

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

    async def _make_all(self, context: ClipContext, highlights: RankedHighlights) -> ClipRun:
        """Makes the first clip alone, so that it is ready soon, then the others concurrently."""
        ready = {part.number: part for part in await context.job.parts() if part.state == "ready"}
        used = {(part.data["start"], part.data["end"]) for part in ready.values()}
        spare = [each for each in highlights.others if (each.start, each.end) not in used]
        run = ClipRun(self._stages.pipeline, context, len(highlights.best), spare)
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
