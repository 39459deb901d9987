"""`audio.get`: the result of an audio job, as guardrails let it through now."""

from typing import Any

import orjson

from cluster.runtime.problems import Conflict, NotFound
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.audio import AUDIO_JOB, audio_folder
from deployments.contracts.jobs import Job
from deployments.ingress.audio import AudioServices, require_audio
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.pipeline.audio_pipeline import RecognisedSpeech
from deployments.ingress.schemas.audio import AudioQuery
from deployments.media.audio_job import ANALYSIS
from deployments.media.documents import language_of, segments_of, transcript_document
from deployments.media.transcript_formats import RENDERED, render_text, verbose_json


class GetAudioAnalysis:
    """Body: AudioQuery. Answer: the analysis, or with `format` its transcript alone."""

    schema = AudioQuery
    request_class = RequestClass.READ
    scope = Scope.MEDIA_READ
    can_stream = False

    def __init__(self, audio: AudioServices | None) -> None:
        self._audio = audio

    async def answer(self, request: AdmittedRequest, body: AudioQuery) -> dict[str, Any]:
        """Raises NotFound; Conflict for a job that has not succeeded; GuardrailRefused."""
        audio, tenant = require_audio(self._audio), request.caller.tenant
        job = await _succeeded(audio, tenant, body.job)
        path = f"{audio_folder(job.id)}/{ANALYSIS}"
        blocks = [block async for block in await audio.files.open(tenant, path)]
        document = orjson.loads(b"".join(blocks))
        transcript = await _checked(audio, request, document.get("transcript"))
        if body.format is None:
            seconds = job.result.get("charged_seconds", 0)
            usage = {"type": "duration", "seconds": seconds}
            head = {"object": "audio.analysis", "id": job.id}
            if transcript is not None:
                document["transcript"] = transcript
            return {**head, **document, "usage": usage}
        if transcript is None:
            raise NotFound(f"Job '{job.id}' was to make no transcript.", param="format")
        if body.format in RENDERED:
            return {"text": render_text(transcript, body.format)}
        if body.format == "json":
            return {"text": transcript["text"]}
        return verbose_json(transcript, words=True, segments=True)

    async def events(self, request: AdmittedRequest, body: AudioQuery) -> Events:
        """One event, the answer."""
        yield None, await self.answer(request, body)


async def _succeeded(audio: AudioServices, tenant: str, id_: str) -> Job:
    job = await audio.jobs.get(tenant, id_)
    if job.kind != AUDIO_JOB:
        raise NotFound(f"There is no audio job '{id_}'.", param="job")
    if job.state != "succeeded":
        raise Conflict(f"Job '{id_}' is {job.state}; it has no result.", param="job")
    return job


async def _checked(
    audio: AudioServices, request: AdmittedRequest, transcript: dict[str, Any] | None
) -> dict[str, Any] | None:
    if transcript is None:
        return None
    audio.pipeline.check_guarded(request)
    language = language_of(transcript)
    heard = RecognisedSpeech(transcript["duration"], language, segments_of(transcript))
    checked = await audio.pipeline.checked(heard, request)
    if checked is heard:
        return transcript
    return transcript_document(transcript["task"], language, checked.segments, heard.duration)
