"""`analyze_audio`: what is in a recording, how it sounds, what is said.

A short one is analysed while its caller waits, a longer one, or one behind a URL, by a job.
"""

from dataclasses import replace
from typing import Any

from cluster.runtime.problems import Malformed
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from cluster.tenants.units import UsageAmounts
from deployments.contracts.audio import AUDIO_JOB, SPEECH
from deployments.contracts.jobs import NewJob
from deployments.ingress.audio import (
    AudioServices,
    UploadedRecording,
    new_source,
    require_audio,
)
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.clips import job_response
from deployments.ingress.operations.transcriptions import check_model
from deployments.ingress.pipeline.audio_pipeline import ExaminedRecording
from deployments.ingress.schemas.audio import AudioAnalysisRequest
from deployments.media.audio_job import KEEP_S, MEASURES, TRANSCRIPT, AudioJobSpec
from deployments.media.documents import (
    measures_document,
    recording_document,
    transcript_document,
)
from deployments.video.probe.tracks import sound_of


class AnalyzeAudio:
    """Body: AudioAnalysisRequest. Answer: the analysis (`object` is `audio.analysis`), or the job
    that makes it (`object` is `job`)."""

    schema = AudioAnalysisRequest
    request_class = RequestClass.MEDIA
    scope = Scope.MEDIA_WRITE
    can_stream = False

    def __init__(
        self, audio: AudioServices | None, upload: UploadedRecording | None = None
    ) -> None:
        """`upload` came with the request; without one the body names the recording."""
        self._audio = audio
        self._upload = upload
        self.has_taken_upload = False  # by a job, which will delete it

    async def answer(self, request: AdmittedRequest, body: AudioAnalysisRequest) -> dict[str, Any]:
        audio, upload = require_audio(self._audio), self._upload
        if TRANSCRIPT in body.parts:
            check_model("", audio, request)
            audio.pipeline.check_guarded(request)
        tenant = request.caller.tenant
        spec = AudioJobSpec(
            path="",
            name=body.name or ("" if upload is None else upload.name),
            include=tuple(body.parts),
            options=body.options(),
            max_duration_s=audio.limits_of(tenant).max_duration_s,
        )
        if body.url is not None:
            url = (await audio.guard.target(body.url)).location.url
            return await self._order(audio, request, replace(spec, path=new_source(), url=url), 0)
        if upload is not None:
            spec = replace(spec, path=upload.path)
        else:
            found = await audio.stored_recording(tenant, body.video, body.file_id)
            if found is None:
                detail = "is missing, and each of `video`, `file_id` and `url`"
                raise Malformed.at("/file", detail, "missing")
            spec = replace(spec, path=found[0], name=body.name or found[1], owned=False)
        recording = await audio.pipeline.examine(spec.path, request, audio.limits_of(tenant))
        if recording.info.duration > audio.config.short_s:
            seconds = recording.seconds if TRANSCRIPT in body.parts else 0
            return await self._order(audio, request, spec, seconds, body.video or "")
        return await self._analyse(audio, request, spec, recording)

    async def events(self, request: AdmittedRequest, body: AudioAnalysisRequest) -> Events:
        """One event, the answer: a job has events of its own."""
        yield None, await self.answer(request, body)

    async def _analyse(
        self,
        audio: AudioServices,
        request: AdmittedRequest,
        spec: AudioJobSpec,
        recording: ExaminedRecording,
    ) -> dict[str, Any]:
        info, seconds = recording.info, 0
        answer: dict[str, Any] = {
            "object": "audio.analysis",
            "id": f"audio-{request.request_id}",
            "name": spec.name,
            "sha256": recording.file.sha256,
            "recording": recording_document(info, sound_of(info)),
        }
        if MEASURES in spec.include:
            answer |= measures_document(await audio.pipeline.measure(recording, request))
        if TRANSCRIPT in spec.include:
            heard = await audio.pipeline.transcribe(recording, spec.options, request)
            answer["transcript"] = transcript_document(
                spec.options.task, heard.language, heard.segments, info.duration
            )
            seconds = recording.seconds
        return {**answer, "usage": {"type": "duration", "seconds": seconds}}

    async def _order(
        self,
        audio: AudioServices,
        request: AdmittedRequest,
        spec: AudioJobSpec,
        seconds: int,
        video: str = "",
    ) -> dict[str, Any]:
        """The job. Its `seconds` are taken from the limits now (0: not known, or nothing is
        transcribed); they are charged when it has succeeded."""
        amounts = UsageAmounts(audio_seconds=seconds)
        reservation = await request.permit.reserve(SPEECH, amounts)
        try:
            job = await self._create(audio, request, spec, amounts, video)
        except BaseException:
            reservation.settle(UsageAmounts(), requests=0)
            raise
        reservation.settle(amounts, requests=0)
        return job

    async def _create(
        self,
        audio: AudioServices,
        request: AdmittedRequest,
        spec: AudioJobSpec,
        amounts: UsageAmounts,
        video: str,
    ) -> dict[str, Any]:
        caller, plan = request.caller, request.plan
        end_user = audio.pseudonym_of(caller.tenant, caller.end_user)
        spec = replace(spec, dimensions=(caller.team, end_user, [*request.tags]))
        new = NewJob(
            tenant=caller.tenant,
            kind=AUDIO_JOB,
            key=caller.key_id,
            spec=spec.to_json(),
            subject=video,
            cost=max(1, plan.weights.cost(amounts)),
            weight=caller.weight,
            priority=request.priority,
            keep_s=KEEP_S,
            request_id=request.request_id,
            trace=request.traceparent,
        )
        async with audio.database.begin() as connection:
            job = job_response(await audio.jobs.create(connection, new))
            if request.store_response is not None:
                await request.store_response(connection, job)
        self.has_taken_upload = self._upload is not None
        return job
