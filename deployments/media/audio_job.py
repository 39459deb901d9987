"""The handler of audio jobs, which analyse long recordings.

    fetching (of a URL) -> checking -> measuring -> transcribing -> the analysis is a file

Flows in: a job whose spec names a file or a URL, and what to find out. Flows out: the analysis, as
JSON in the tenant's files, and the charge for the seconds transcribed. An attempt after a crash
goes on after the last window that was recognised.
"""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from cluster.tenants.plan import Plan
from cluster.tenants.price_list import LOCAL
from cluster.tenants.units import UsageAmounts
from cluster.usage.dimensions import CallDimensions
from cluster.usage.entries import UsageEntry
from deployments.contracts.audio import (
    AUDIO_JOB,
    JOB_LIMITS,
    SPEECH,
    SoundMeasures,
    TimeSpan,
    audio_folder,
)
from deployments.contracts.jobs import Job, JobContext, JobResult
from deployments.contracts.media import MediaInfo
from deployments.contracts.speech import (
    DetectedLanguage,
    SpeechOptions,
    SpeechProgress,
    SpeechRecognizer,
    SpeechSegment,
)
from deployments.media.documents import (
    Document,
    measures_document,
    recording_document,
    segment_from_json,
    segment_to_json,
    transcript_document,
)
from deployments.media.figures import MediaFigures
from deployments.media.recordings import LocalFile, Recordings
from deployments.media.sound import measure_sound, track_of
from deployments.video.executor import in_thread
from deployments.video.url_download import IncomingStream, UrlDownloader

KEEP_S = 7 * 86_400.0
GRACE_S = 86_400.0  # files outlive their job
ANALYSIS = "analysis.json"
MEASURES, TRANSCRIPT = "measures", "transcript"
_OCTETS = "application/octet-stream"
_FETCHED, _CHECKED, _MEASURED = 10.0, 12.0, 20.0  # percent
_SAVE_EVERY_S = 30.0  # of the recording
_ASSUMED_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class AudioJobSpec:
    """`path` is the file's among the tenant's; `url` is fetched to it first (empty: it is there).
    `owned`: the file belongs to the job, and goes with it. `include` is of MEASURES and TRANSCRIPT.
    `dimensions` are those of the charge."""

    path: str
    name: str = ""
    url: str = ""
    owned: bool = True
    include: tuple[str, ...] = (MEASURES, TRANSCRIPT)
    options: SpeechOptions = SpeechOptions()
    dimensions: tuple[Any, ...] = ("", "", ())
    max_duration_s: float = JOB_LIMITS.max_duration_s

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "include": list(self.include), "dimensions": [*self.dimensions]}

    @classmethod
    def of(cls, job: Job) -> "AudioJobSpec":
        data = dict(job.spec)
        return cls(
            **{
                **data,
                "include": tuple(data["include"]),
                "options": SpeechOptions(**data["options"]),
                "dimensions": tuple(data["dimensions"]),
            }
        )


@dataclass(slots=True)
class _Heard:
    """What was recognised so far."""

    language: DetectedLanguage | None = None
    segments: list[SpeechSegment] = field(default_factory=list)
    done_s: float = 0.0
    saved: int = 0  # segments that are in checkpoints
    saved_until: float = 0.0  # seconds

    @classmethod
    def of(cls, checkpoints: Mapping[str, Any]) -> "_Heard":
        heard = cls()
        number = 0
        while (saved := checkpoints.get(f"heard-{number}")) is not None:
            heard.segments += [segment_from_json(each) for each in saved["segments"]]
            heard.done_s = saved["done_s"]
            if saved["language"] is not None:
                heard.language = DetectedLanguage(*saved["language"])
            number += 1
        heard.saved, heard.saved_until = len(heard.segments), heard.done_s
        return heard


class AudioJobHandler:
    """The handler of AUDIO_JOB."""

    kind = AUDIO_JOB

    def __init__(
        self,
        recordings: Recordings,
        files: TenantFiles,
        recognizer: SpeechRecognizer,
        downloader: UrlDownloader,
        plan_of: Callable[[str], Plan],
        figures: MediaFigures,
        clock: Clock,
    ) -> None:
        self._recordings = recordings
        self._files = files
        self._recognizer = recognizer
        self._downloader = downloader
        self._plan_of = plan_of
        self._figures = figures
        self._clock = clock

    async def run(self, work: JobContext) -> JobResult:
        """Raises the refusals of deployments/sandbox/errors.py, NotFound, NotInstalled, and as
        UrlDownloader.open does."""
        job, spec = work.job, AudioJobSpec.of(work.job)
        if spec.url:
            await self._fetch(work, spec)
        async with self._recordings.fetched(job.tenant, spec.path) as file:
            await work.report("checking", _FETCHED)
            limits = replace(JOB_LIMITS, max_duration_s=spec.max_duration_s)
            info = await self._recordings.inspect(file, limits)
            track = track_of(info)
            document: Document = {
                "name": spec.name,
                "sha256": file.stored.sha256,
                "recording": recording_document(info, track),
            }
            if MEASURES in spec.include:
                measures = await self._measure(work, file, info)
                document |= measures_document(measures)
            if TRANSCRIPT in spec.include:
                heard = await self._transcribe(work, spec, file, info)
                document["transcript"] = transcript_document(
                    spec.options.task, heard.language, heard.segments, info.duration
                )
        return await self._finish(job, spec, document, info)

    async def _fetch(self, work: JobContext, spec: AudioJobSpec) -> None:
        if "fetched" in work.checkpoints:
            return
        await work.report("fetching", 0.0)
        expires = self._clock.wall() + KEEP_S + GRACE_S
        async with self._downloader.open(spec.url, JOB_LIMITS.max_bytes) as stream:

            async def chunks() -> Any:
                received = 0
                async for chunk in stream.chunks:
                    received += len(chunk)
                    await work.report("fetching", _fetched_percent(received, stream))
                    yield chunk

            await self._files.put(
                work.job.tenant,
                spec.path,
                chunks(),
                _OCTETS,
                expires,
                largest=JOB_LIMITS.max_bytes,
                length=stream.size,
            )
        await work.checkpoint("fetched", True)

    async def _measure(self, work: JobContext, file: LocalFile, info: MediaInfo) -> SoundMeasures:
        saved = work.checkpoints.get("measures")
        if saved is not None:
            spans = tuple(TimeSpan(*span) for span in saved["silences"])
            return SoundMeasures(**{**saved, "silences": spans})
        await work.report("measuring", _CHECKED)
        measures = await in_thread(measure_sound, file.path, file.folder, info)
        spans_json = [[span.start, span.end] for span in measures.silences]
        await work.checkpoint("measures", {**asdict(measures), "silences": spans_json})
        return measures

    async def _transcribe(
        self, work: JobContext, spec: AudioJobSpec, file: LocalFile, info: MediaInfo
    ) -> _Heard:
        heard = _Heard.of(work.checkpoints)
        if heard.done_s >= info.duration:
            return heard
        language = spec.options.language
        if language is None and heard.language is not None:
            language = heard.language.language
        options = replace(spec.options, language=language, start=heard.done_s)
        track = track_of(info)
        await work.report("transcribing", _percent(heard.done_s, info.duration))
        with self._figures.transcription(heard.done_s) as transcription:
            stream = self._recognizer.transcribe(file.path, track.index, options, info.duration)
            async with aclosing(stream) as parts:
                async for part in parts:
                    transcription.note(part)
                    if isinstance(part, DetectedLanguage):
                        heard.language = heard.language or part
                    elif isinstance(part, SpeechSegment):
                        heard.segments.append(part)
                    else:
                        await _note_progress(work, heard, part)
        return heard

    async def _finish(
        self, job: Job, spec: AudioJobSpec, document: Document, info: MediaInfo
    ) -> JobResult:
        content = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        expires = self._clock.wall() + KEEP_S + GRACE_S
        path = f"{audio_folder(job.id)}/{ANALYSIS}"
        await self._files.put(job.tenant, path, content, "application/json", expires)
        if spec.owned:
            await self._files.delete(job.tenant, [spec.path])
        transcript = document.get("transcript")
        summary: Document = {
            "name": spec.name,
            "duration": document["recording"]["duration"],
            "language": None if transcript is None else transcript["language"],
            "segments": 0 if transcript is None else len(transcript["segments"]),
        }
        charge = None if transcript is None else self._charge(job, spec, info)
        summary["charged_seconds"] = 0 if charge is None else charge.amounts.audio_seconds
        return JobResult("succeeded", summary, charge)

    def _charge(self, job: Job, spec: AudioJobSpec, info: MediaInfo) -> UsageEntry:
        """For the seconds transcribed, by the plan as it is now."""
        plan = self._plan_of(job.tenant)
        amounts = UsageAmounts(audio_seconds=max(1, math.ceil(info.duration)))
        team, end_user, tags = spec.dimensions
        return UsageEntry(
            self._clock.wall(),
            job.tenant,
            job.key,
            SPEECH,
            amounts,
            plan.weights.cost(amounts),
            1,
            prices=plan.prices_of(SPEECH, LOCAL) or {},
            dimensions=CallDimensions(team, end_user, tuple(tags)),
        )


async def _note_progress(work: JobContext, heard: _Heard, progress: SpeechProgress) -> None:
    """Saves what came since the last save, once it is worth a write."""
    is_last = progress.done_s >= progress.total_s
    if is_last or progress.done_s - heard.saved_until >= _SAVE_EVERY_S:
        number = sum(1 for name in work.checkpoints if name.startswith("heard-"))
        language = heard.language
        await work.checkpoint(
            f"heard-{number}",
            {
                "done_s": progress.done_s,
                "segments": [segment_to_json(each) for each in heard.segments[heard.saved :]],
                "language": None if language is None else [language.language, language.probability],
            },
        )
        heard.saved, heard.saved_until = len(heard.segments), progress.done_s
    heard.done_s = progress.done_s
    await work.report("transcribing", _percent(progress.done_s, progress.total_s))


def _percent(done_s: float, total_s: float) -> float:
    share = min(1.0, done_s / total_s) if total_s > 0 else 1.0
    return _MEASURED + (99.0 - _MEASURED) * share


def _fetched_percent(received: int, stream: IncomingStream) -> float:
    total = stream.size if stream.size else received + _ASSUMED_BYTES
    return _FETCHED * min(1.0, received / total)
