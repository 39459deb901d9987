"""The request path of recordings: examine -> limits -> recognise -> settle, record -> guardrails.

Flows in: a file of the tenant. Flows out: what the deployment `Media` finds in it. Seconds whose
speech was recognised are charged; what fails on our side costs nothing.
"""

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from cluster.resilience.failure_class import FailureClass, classify
from cluster.runtime.problems import NotInstalled, Problem, unknown_policy
from cluster.tenants.units import UsageAmounts
from cluster.tracing.genai_names import TRANSCRIBE
from deployments.contracts.audio import (
    SPEECH,
    ExaminedFile,
    ExamineRequest,
    MeasureRequest,
    MediaReader,
    SoundMeasures,
    TranscribeRequest,
    TranscriptPart,
)
from deployments.contracts.generation import Choice
from deployments.contracts.media import MediaInfo, MediaLimits
from deployments.contracts.speech import DetectedLanguage, SpeechOptions, SpeechSegment
from deployments.ingress.context import GUARDRAILS, RESERVE, AdmittedRequest
from deployments.ingress.pipeline.guarded_pipeline import RequestGuards
from deployments.ingress.pipeline.guarded_request import GuardedRequest
from deployments.ingress.pipeline.metering import Meter, is_server_fault
from deployments.media.documents import joined_text
from deployments.sandbox.errors import NoMedia
from deployments.video.probe.media_info_json import from_json
from deployments.video.probe.tracks import sound_of

NOT_SERVED = "This cluster opens no recordings."
INSTALL = "Set `media.enabled` in serve_config.yaml, and deploy."
MAX_RUNS = 3  # of one transcription, where replicas fail in the middle of it
_SLOW_S = 1e9  # no transcription is slow by itself


@dataclass(frozen=True, slots=True)
class ExaminedRecording:
    """A file of the tenant at `path`, with what its examination found."""

    path: str
    file: ExaminedFile
    info: MediaInfo

    @property
    def seconds(self) -> int:
        """What its transcription is charged as."""
        return max(1, math.ceil(self.info.duration))


@dataclass(slots=True)
class RecognisedSpeech:
    """What was said."""

    duration: float
    language: DetectedLanguage | None = None
    segments: list[SpeechSegment] = field(default_factory=list)
    done_s: float = 0.0

    def take(self, part: TranscriptPart) -> None:
        if part.language is not None:
            self.language = part.language
        if part.segment is not None:
            self.segments.append(part.segment)
        if part.progress is not None:
            self.done_s = part.progress.done_s


class AudioPipeline:
    """Without a `reader` no recording is opened; `guards` None: no guardrail is configured."""

    def __init__(
        self, reader: MediaReader | None, meter: Meter, guards: RequestGuards | None = None
    ) -> None:
        self._reader = reader
        self._meter = meter
        self._guards = guards

    async def examine(
        self, path: str, admitted: AdmittedRequest, limits: MediaLimits
    ) -> ExaminedRecording:
        """Raises NotInstalled, NoMedia for a recording without sound, and as MediaReader does."""
        found = await self._require().examine(
            ExamineRequest(
                admitted.request_id,
                admitted.caller,
                path,
                limits,
                admitted.timeout_s("ingress"),
                admitted.priority,
            )
        )
        info = from_json(found.info)
        if sound_of(info) is None:
            raise NoMedia("The recording has no sound.")
        return ExaminedRecording(path, found, info)

    async def measure(
        self, recording: ExaminedRecording, admitted: AdmittedRequest
    ) -> SoundMeasures:
        return await self._require().measure(
            MeasureRequest(
                f"{admitted.request_id}-m",
                admitted.caller,
                recording.path,
                recording.file.info,
                admitted.timeout_s("ingress"),
                admitted.priority,
            )
        )

    async def transcribe(
        self, recording: ExaminedRecording, options: SpeechOptions, admitted: AdmittedRequest
    ) -> RecognisedSpeech:
        """The whole, as guardrails let it through; once more where a replica fails."""
        self.check_guarded(admitted)
        heard = RecognisedSpeech(recording.info.duration)
        async with aclosing(self._metered(recording, options, admitted, MAX_RUNS)) as parts:
            async for part in parts:
                if part is None:
                    heard = RecognisedSpeech(recording.info.duration)
                else:
                    heard.take(part)
        return await self.checked(heard, admitted)

    async def stream(
        self, recording: ExaminedRecording, options: SpeechOptions, admitted: AdmittedRequest
    ) -> AsyncGenerator[TranscriptPart, None]:
        """The same part by part. Where guardrails read the output, everything comes at the end."""
        self.check_guarded(admitted)
        if self._output_guard(admitted) is not None:
            heard = await self.transcribe(recording, options, admitted)
            if heard.language is not None:
                yield TranscriptPart(language=heard.language)
            for segment in heard.segments:
                yield TranscriptPart(segment=segment)
            return
        async with aclosing(self._metered(recording, options, admitted, 1)) as parts:
            async for part in parts:
                if part is not None:
                    yield part

    async def checked(self, heard: RecognisedSpeech, admitted: AdmittedRequest) -> RecognisedSpeech:
        """What guardrails let through of a transcript. Raises GuardrailRefused."""
        guard = self._output_guard(admitted)
        if guard is None or not heard.segments:
            return heard
        with admitted.timer.stage(GUARDRAILS):
            whole = joined_text(heard.segments)
            passed = await _passed(guard, whole)
            if passed == whole:
                return heard
            segments = [await _redacted(guard, segment) for segment in heard.segments]
        if joined_text(segments) != passed:  # what was found goes over the end of a segment
            first, last = heard.segments[0], heard.segments[-1]
            segments = [SpeechSegment(first.start, last.end, passed)]
        return replace(heard, segments=segments)

    def check_guarded(self, admitted: AdmittedRequest) -> None:
        """Raises GuardrailUnavailable where the plan has guardrails that nothing applies."""
        if admitted.plan.guardrails and self._guards is None:
            raise unknown_policy(admitted.plan.guardrails[0])

    def _output_guard(self, admitted: AdmittedRequest) -> GuardedRequest | None:
        guard = None if self._guards is None else self._guards.guard(admitted, raises=True)
        return guard if guard is not None and guard.active.output else None

    async def _metered(
        self,
        recording: ExaminedRecording,
        options: SpeechOptions,
        admitted: AdmittedRequest,
        runs: int,
    ) -> AsyncGenerator[TranscriptPart | None, None]:
        """Parts; None where it begins again. Charges what was recognised, once."""
        amounts = UsageAmounts(audio_seconds=recording.seconds)
        admitted.models.add(SPEECH)
        since = admitted.timer.clock.monotonic()
        reservation = await admitted.permit.reserve(SPEECH, amounts)
        admitted.timer.add_stage(RESERVE, since)
        used, requests, done_s = UsageAmounts(), 0, 0.0
        admitted.timer.opened()
        try:
            async with aclosing(self._runs(recording, options, admitted, runs)) as parts:
                async for part in parts:
                    if part is not None and part.progress is not None:
                        done_s = max(done_s, part.progress.done_s)
                    yield part
            used, requests = amounts, 1
        except BaseException as error:
            if not is_server_fault(error):
                used = UsageAmounts(audio_seconds=min(recording.seconds, math.ceil(done_s)))
                requests = int(used.audio_seconds > 0)
            raise
        finally:
            admitted.timer.answered()
            reservation.settle(used, requests=requests)
            if requests:
                self._meter.record_call(admitted.caller, admitted.plan, SPEECH, used, admitted.tags)

    async def _runs(
        self,
        recording: ExaminedRecording,
        options: SpeechOptions,
        admitted: AdmittedRequest,
        runs: int,
    ) -> AsyncGenerator[TranscriptPart | None, None]:
        """Parts of one run; where its replica is lost, None, and those of the next one."""
        for run in range(1, runs + 1):
            try:
                async with aclosing(self._run(recording, options, admitted, run)) as parts:
                    async for part in parts:
                        yield part
                return
            except Problem as problem:
                lost = classify(problem, 0.0, _SLOW_S) is FailureClass.LOST
                if not lost or run == runs:
                    raise
            yield None

    async def _run(
        self,
        recording: ExaminedRecording,
        options: SpeechOptions,
        admitted: AdmittedRequest,
        run: int,
    ) -> AsyncGenerator[TranscriptPart, None]:
        timer = admitted.timer
        with timer.encoder_call(TRANSCRIBE, SPEECH) as timed:
            request = TranscribeRequest(
                admitted.request_id if run == 1 else f"{admitted.request_id}-{run}",
                admitted.caller,
                recording.path,
                recording.file.info,
                options,
                admitted.timeout_s("ingress"),
                admitted.priority,
                timed.trace,
                timer.trace_state,
            )
            async with aclosing(self._require().transcribe(request)) as parts:
                async for part in parts:
                    yield part

    def _require(self) -> MediaReader:
        if self._reader is None:
            raise NotInstalled(NOT_SERVED, INSTALL)
        return self._reader


async def _passed(guard: GuardedRequest, text: str) -> str:
    choice = await guard.check_choice(Choice(0, text, "stop"), is_json=False)
    return choice.text


async def _redacted(guard: GuardedRequest, segment: SpeechSegment) -> SpeechSegment:
    """Words are left out of a segment that is changed: they would tell what was redacted."""
    text = await _passed(guard, segment.text)
    return segment if text == segment.text else replace(segment, text=text, words=(), tokens=())
