"""One clip: from a highlight to stored files.

    look closely -> frame each aspect -> captions -> one encode -> report -> words -> store

Flows in: a highlight of a source, and what is said in it. Flows out: what a caller is told of the
clip, as JSON; its files are the tenant's by then. Rendering again writes over the same files.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from deployments.contracts.clips import (
    AspectName,
    ClipPlan,
    Highlight,
    OutputPlan,
    RenderedCaptions,
    RenderedFile,
)
from deployments.contracts.media import MediaSource, Transcript, VideoFeatures
from deployments.video.analysis_cache import VideoAnalyzer
from deployments.video.captions import captions, omission_reason
from deployments.video.captions.styles import NONE
from deployments.video.clip_metadata import MAX_SAID, ClipMetadataWriter
from deployments.video.executor import TaskExecutor
from deployments.video.framing import frame, output_size
from deployments.video.job_spec import ClipJobSpec, clips_of
from deployments.video.quality import inspect
from deployments.video.render import render
from deployments.video.sandbox import Cancel

DAY_S = 86_400.0
POLL_S = 0.5
MEDIA_TYPES = {"video": "video/mp4", "thumbnail": "image/jpeg"}
SUBTITLES = (("srt", "application/x-subrip"), ("vtt", "text/vtt"))

Told = Callable[[float], Awaitable[None]]
Encoder = Literal["x264", "nvenc"]


@dataclass(frozen=True, slots=True)
class ClipTask:
    """Which clip of which job: `number` from 1, `threads` for its encode (0: all cores)."""

    tenant: str
    job: str
    holder: str
    number: int
    threads: int = 0

    @property
    def folder(self) -> str:
        return f"{clips_of(self.job)}/{self.number}"


class ClipPipeline:
    """Makes clips. `encoder` is what this node encodes with."""

    def __init__(
        self,
        files: TenantFiles,
        crew: TaskExecutor,
        seeing: VideoAnalyzer,
        describing: ClipMetadataWriter,
        clock: Clock,
        encoder: Encoder = "x264",
    ) -> None:
        self._files = files
        self._crew = crew
        self._seeing = seeing
        self._describing = describing
        self._clock = clock
        self._encoder = encoder

    async def clip(
        self,
        cut: ClipTask,
        order: ClipJobSpec,
        source: MediaSource,
        transcript: Transcript,
        highlight: Highlight,
        folder: Path,
        told: Told,
    ) -> dict[str, Any]:
        """`told` gets shares from 0 to 1. Raises the problems of deployments/video/errors.py
        and of the store."""
        plan, words, why = await self._planned(cut, order, source, transcript, highlight, folder)
        text = asyncio.create_task(self._text(cut, order, transcript, highlight))
        try:
            rendered = await self._rendered(plan, source, folder, told)
            spoken = bool(_heard(transcript, highlight).words)
            reported = await self._reported(plan, source, rendered, order, folder, spoken)
            stored = await self._stored(cut, order, reported, words)
            described = await text
        finally:
            text.cancel()
        return {
            **_said(highlight),
            "text": None if described is None else asdict(described),
            "captions": about_captions(transcript, order, plan, words, why),
            "partial": any(file.report is not None and file.report.partial for file in reported),
            "files": stored,
        }

    async def _planned(
        self,
        cut: ClipTask,
        order: ClipJobSpec,
        source: MediaSource,
        transcript: Transcript,
        highlight: Highlight,
        folder: Path,
    ) -> tuple[ClipPlan, RenderedCaptions, str]:
        sight = await self._seeing.analyze_span(source, folder, highlight.start, highlight.end)
        heard = _heard(transcript, highlight)
        found: tuple[ClipPlan, RenderedCaptions, str] = await self._crew.run(
            folder, plan_task, cut, order, heard, highlight, sight, self._encoder
        )
        return found

    async def _rendered(
        self, plan: ClipPlan, source: MediaSource, folder: Path, told: Told
    ) -> tuple[RenderedFile, ...]:
        progress = folder / f"progress-{secrets.token_hex(4)}"
        watching = asyncio.create_task(_watch(progress, told))
        try:
            return await self._crew.run(folder, render_task, plan, source, folder, progress)
        finally:
            watching.cancel()
            await asyncio.to_thread(progress.unlink, missing_ok=True)

    async def _reported(
        self,
        plan: ClipPlan,
        source: MediaSource,
        rendered: Sequence[RenderedFile],
        order: ClipJobSpec,
        folder: Path,
        spoken: bool,
    ) -> list[RenderedFile]:
        done = []
        for file in rendered:
            report = None
            if file.kind == "video":
                report = await self._crew.run(
                    folder, inspect_task, file, plan, source, folder, order.options.ssim, spoken
                )
            done.append(replace(file, report=report, facts=None))
        return done

    async def _text(
        self, cut: ClipTask, order: ClipJobSpec, transcript: Transcript, highlight: Highlight
    ) -> Any:
        if not order.options.texts:
            return None
        words = _heard(transcript, highlight).words[:MAX_SAID]
        said = " ".join(word.text for word in words)
        return await self._describing.describe(
            cut.tenant, cut.holder, highlight, said, order.name, cut.number, order.options.seed
        )

    async def _stored(
        self,
        cut: ClipTask,
        order: ClipJobSpec,
        rendered: Sequence[RenderedFile],
        words: RenderedCaptions,
    ) -> list[dict[str, Any]]:
        expires = self._clock.wall() + order.clip_days * DAY_S
        stored = []
        for file in rendered:
            name = f"{cut.folder}/{file.aspect.replace(':', 'x')}{file.path.suffix}"
            kept = await self._files.put_file(
                cut.tenant, name, file.path, MEDIA_TYPES[file.kind], expires
            )
            said = {**asdict(file), "path": name, "media_type": kept.media_type}
            del said["facts"]
            stored.append(said | {"bytes": kept.bytes, "sha256": kept.sha256})
        for kind, media_type in SUBTITLES:
            text = getattr(words, kind)
            if text and words.srt:
                name = f"{cut.folder}/captions.{kind}"
                raw = text.encode()
                kept = await self._files.put(cut.tenant, name, raw, media_type, expires)
                stored.append(
                    {"kind": kind, "path": name, "media_type": media_type}
                    | {"bytes": kept.bytes, "sha256": kept.sha256}
                )
        return stored


def render_task(
    plan: ClipPlan, source: MediaSource, folder: Path, progress: Path, cancel: Cancel
) -> tuple[RenderedFile, ...]:
    """`render`, which tells how far it is in a file. A piece."""

    def tell(share: float) -> None:
        progress.write_text(f"{share:.4f}")

    return render(plan, source, folder, tell, cancel)


def inspect_task(
    file: RenderedFile,
    plan: ClipPlan,
    source: MediaSource,
    folder: Path,
    ssim: bool,
    spoken: bool,
    cancel: Cancel,
) -> Any:
    """`inspect` of a rendered file. A piece."""
    return inspect(
        file.path, plan, source, folder, cancel, ssim=ssim, facts=file.facts, spoken=spoken
    )


async def _watch(progress: Path, told: Told) -> None:
    while True:
        await asyncio.sleep(POLL_S)
        try:
            await told(float(await asyncio.to_thread(progress.read_text)))
        except (OSError, ValueError):
            continue


def plan_task(
    cut: ClipTask,
    order: ClipJobSpec,
    transcript: Transcript,
    highlight: Highlight,
    sight: VideoFeatures | None,
    encoder: Encoder,
    cancel: Cancel,
) -> tuple[ClipPlan, RenderedCaptions, str]:
    """How the clip is framed and captioned, and why some words are not burnt in. A piece: a hostile
    transcript takes seconds, and in a Serve replica `print`, by which pysubs2 writes, is not
    Python's."""
    options, start, end = order.options, highlight.start, highlight.end
    words = captions(transcript, start, end, "none", 720, 1280, options.language)
    outputs = tuple(_output(each, order, transcript, highlight, sight) for each in options.aspects)
    plan = ClipPlan(
        index=cut.number,
        start=start,
        end=end,
        outputs=outputs,
        quality=options.quality,
        loudness=options.loudness,
        encoder=encoder,
        threads=cut.threads,
    )
    return plan, words, omission_reason(transcript)


def _output(
    aspect: AspectName,
    order: ClipJobSpec,
    transcript: Transcript,
    highlight: Highlight,
    sight: VideoFeatures | None,
) -> OutputPlan:
    options, start, end = order.options, highlight.start, highlight.end
    framing = frame(sight, order.info, start, end, aspect, options.framing)
    width, height = output_size(order.info, aspect, options.quality, framing.fit)
    burnt = captions(transcript, start, end, options.captions, width, height, options.language)
    return OutputPlan(framing, width, height, burnt.ass)


def _heard(transcript: Transcript, highlight: Highlight) -> Transcript:
    """What is said in the clip."""
    start, end = highlight.start, highlight.end
    words = tuple(w for w in transcript.words if w.start < end and w.end > start)
    return replace(transcript, words=words)


def _said(highlight: Highlight) -> dict[str, Any]:
    said = asdict(highlight)
    return {**said, "duration": round(highlight.end - highlight.start, 3)}


def about_captions(
    transcript: Transcript, order: ClipJobSpec, plan: ClipPlan, words: RenderedCaptions, why: str
) -> dict[str, Any]:
    """Which style was burnt in, `none` where nothing was; and why words are not."""
    wanted = order.options.captions
    drawn = any(output.ass is not None for output in plan.outputs)
    if not words.srt:
        why = transcript.why or "nothing is said in this clip"
    elif wanted == NONE:
        why = ""
    style = wanted if drawn else NONE
    return {"style": style, "origin": transcript.origin, "why": why}
