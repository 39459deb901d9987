"""One clip: from a highlight to stored files.

    analyse the span -> frame each aspect -> captions -> one encode -> report -> metadata -> store

Flows in: a clip job's context and a highlight. Flows out: the clip as callers see it, as JSON; its
files are stored by then. Making a clip again overwrites the same files.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from deployments.contracts.clips import (
    AspectName,
    ClipMetadata,
    ClipPlan,
    ClipReport,
    Highlight,
    OutputPlan,
    RenderedCaptions,
    RenderedFile,
)
from deployments.contracts.media import MediaSource, Transcript, VideoFeatures
from deployments.sandbox import Cancel
from deployments.video.analysis_cache import ProgressCallback, VideoAnalyzer
from deployments.video.captions import captions, omission_reason
from deployments.video.captions.styles import NONE
from deployments.video.clip_context import ClipContext
from deployments.video.clip_metadata import MAX_TEXT, ClipMetadataWriter
from deployments.video.executor import TaskExecutor
from deployments.video.framing import frame, output_size
from deployments.video.job_spec import ClipJobSpec
from deployments.video.quality import inspect
from deployments.video.render import render

DAY_S = 86_400.0
POLL_S = 0.5
MEDIA_TYPES = {"video": "video/mp4", "thumbnail": "image/jpeg"}
SUBTITLES = (("srt", "application/x-subrip"), ("vtt", "text/vtt"))

Encoder = Literal["x264", "nvenc"]


class ClipPipeline:
    """Makes clips. `encoder` is the encoder of this node."""

    def __init__(
        self,
        files: TenantFiles,
        executor: TaskExecutor,
        analyzer: VideoAnalyzer,
        metadata_writer: ClipMetadataWriter,
        clock: Clock,
        encoder: Encoder = "x264",
    ) -> None:
        self._files = files
        self._executor = executor
        self._analyzer = analyzer
        self._metadata_writer = metadata_writer
        self._clock = clock
        self._encoder = encoder

    async def make_clip(
        self,
        context: ClipContext,
        highlight: Highlight,
        number: int,
        threads: int,
        on_progress: ProgressCallback,
    ) -> dict[str, Any]:
        """Clip `number` (from 1), encoded with `threads` threads (0: all cores). `on_progress` gets
        shares from 0 to 1. Raises the problems of deployments/sandbox/errors.py and of the store.
        """
        plan, subtitles, omitted = await self._plan(context, highlight, number, threads)
        metadata = asyncio.create_task(self._metadata(context, highlight, number))
        try:
            rendered = await self._render(context, plan, on_progress)
            files = await self._inspect(context, plan, rendered, highlight)
            stored = await self._store(context, number, files, subtitles)
            text = await metadata
        finally:
            metadata.cancel()
        return {
            **asdict(highlight),
            "duration": round(highlight.end - highlight.start, 3),
            "text": None if text is None else asdict(text),
            "captions": describe_captions(
                context.transcript, context.spec, plan, subtitles, omitted
            ),
            "partial": any(file.report is not None and file.report.partial for file in files),
            "files": stored,
        }

    async def _plan(
        self, context: ClipContext, highlight: Highlight, number: int, threads: int
    ) -> tuple[ClipPlan, RenderedCaptions, str]:
        features = await self._analyzer.analyze_span(context, highlight.start, highlight.end)
        plan, subtitles, omitted = await self._executor.run(
            context.folder,
            plan_task,
            context.spec,
            context.transcript_of(highlight),
            highlight,
            features,
            number,
            self._encoder,
        )
        return replace(plan, threads=threads), subtitles, omitted

    async def _render(
        self, context: ClipContext, plan: ClipPlan, on_progress: ProgressCallback
    ) -> tuple[RenderedFile, ...]:
        folder = context.folder
        progress = folder / f"progress-{secrets.token_hex(4)}"
        poller = asyncio.create_task(_poll_progress(progress, on_progress))
        try:
            return await self._executor.run(
                folder, render_task, plan, context.source, folder, progress
            )
        finally:
            poller.cancel()
            await asyncio.to_thread(progress.unlink, missing_ok=True)

    async def _inspect(
        self,
        context: ClipContext,
        plan: ClipPlan,
        rendered: Sequence[RenderedFile],
        highlight: Highlight,
    ) -> list[RenderedFile]:
        """The files with the reports of the videos among them."""
        has_speech = bool(context.transcript_of(highlight).words)
        ssim, folder = context.spec.options.ssim, context.folder
        files = []
        for file in rendered:
            report = None
            if file.kind == "video":
                report = await self._executor.run(
                    folder, inspect_task, file, plan, context.source, folder, ssim, has_speech
                )
            files.append(replace(file, report=report, facts=None))
        return files

    async def _metadata(
        self, context: ClipContext, highlight: Highlight, number: int
    ) -> ClipMetadata | None:
        spec = context.spec
        if not spec.options.texts:
            return None
        words = context.transcript_of(highlight).words[:MAX_TEXT]
        text = " ".join(word.text for word in words)
        return await self._metadata_writer.describe(
            context.tenant,
            context.key_id,
            highlight,
            text,
            spec.name,
            number,
            spec.options.seed,
        )

    async def _store(
        self,
        context: ClipContext,
        number: int,
        files: Sequence[RenderedFile],
        subtitles: RenderedCaptions,
    ) -> list[dict[str, Any]]:
        expires = self._clock.wall() + context.spec.clip_days * DAY_S
        folder, stored = context.clip_folder(number), []
        for file in files:
            name = f"{folder}/{file.aspect.replace(':', 'x')}{file.path.suffix}"
            media_type = MEDIA_TYPES[file.kind]
            blob = await self._files.put_file(context.tenant, name, file.path, media_type, expires)
            entry = {**asdict(file), "path": name, "media_type": blob.media_type}
            del entry["facts"]
            stored.append(entry | {"bytes": blob.bytes, "sha256": blob.sha256})
        for kind, media_type in SUBTITLES:
            text = getattr(subtitles, kind)
            if text and subtitles.srt:
                name = f"{folder}/captions.{kind}"
                blob = await self._files.put(
                    context.tenant, name, text.encode(), media_type, expires
                )
                entry = {"kind": kind, "path": name, "media_type": media_type}
                stored.append(entry | {"bytes": blob.bytes, "sha256": blob.sha256})
        return stored


def render_task(
    plan: ClipPlan, source: MediaSource, folder: Path, progress: Path, cancel: Cancel
) -> tuple[RenderedFile, ...]:
    """`render`, which writes its progress to a file. A task."""

    def write_progress(share: float) -> None:
        progress.write_text(f"{share:.4f}")

    return render(plan, source, folder, write_progress, cancel)


def inspect_task(
    file: RenderedFile,
    plan: ClipPlan,
    source: MediaSource,
    folder: Path,
    ssim: bool,
    has_speech: bool,
    cancel: Cancel,
) -> ClipReport:
    """`inspect` of a rendered file. A task."""
    return inspect(
        file.path, plan, source, folder, cancel, ssim=ssim, facts=file.facts, has_speech=has_speech
    )


async def _poll_progress(progress: Path, on_progress: ProgressCallback) -> None:
    while True:
        await asyncio.sleep(POLL_S)
        try:
            await on_progress(float(await asyncio.to_thread(progress.read_text)))
        except (OSError, ValueError):
            continue


def plan_task(
    spec: ClipJobSpec,
    transcript: Transcript,
    highlight: Highlight,
    features: VideoFeatures | None,
    number: int,
    encoder: Encoder,
    cancel: Cancel,
) -> tuple[ClipPlan, RenderedCaptions, str]:
    """The plan of a clip, its subtitles, and why some words are not burnt in. A task, because a
    hostile transcript takes seconds, and in a Serve replica `print`, which pysubs2 writes with, is
    not Python's."""
    options, start, end = spec.options, highlight.start, highlight.end
    subtitles = captions(transcript, start, end, "none", 720, 1280, options.language)
    outputs = tuple(
        _plan_output(aspect, spec, transcript, highlight, features) for aspect in options.aspects
    )
    plan = ClipPlan(
        index=number,
        start=start,
        end=end,
        outputs=outputs,
        quality=options.quality,
        loudness=options.loudness,
        encoder=encoder,
    )
    return plan, subtitles, omission_reason(transcript)


def _plan_output(
    aspect: AspectName,
    spec: ClipJobSpec,
    transcript: Transcript,
    highlight: Highlight,
    features: VideoFeatures | None,
) -> OutputPlan:
    options, start, end = spec.options, highlight.start, highlight.end
    framing = frame(features, spec.info, start, end, aspect, options.framing)
    width, height = output_size(spec.info, aspect, options.quality, framing.fit)
    burnt = captions(transcript, start, end, options.captions, width, height, options.language)
    return OutputPlan(framing, width, height, burnt.ass)


def describe_captions(
    transcript: Transcript,
    spec: ClipJobSpec,
    plan: ClipPlan,
    subtitles: RenderedCaptions,
    omitted: str,
) -> dict[str, Any]:
    """The style that was burnt in (`none`: nothing was), and why words are missing."""
    style = spec.options.captions
    burnt = any(output.ass is not None for output in plan.outputs)
    if not subtitles.srt:
        why = transcript.why or "nothing is said in this clip"
    else:
        why = "" if style == NONE else omitted
    return {"style": style if burnt else NONE, "origin": transcript.origin, "why": why}
