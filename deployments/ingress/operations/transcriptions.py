"""`transcribe_audio`, `translate_audio`: what is said in a recording, as OpenAI's API says it."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from cluster.runtime.problems import Malformed, UnknownModel
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.audio import SPEECH
from deployments.contracts.speech import SpeechOptions, SpeechTask
from deployments.ingress.audio import AudioServices, UploadedRecording, require_audio
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.pipeline.audio_pipeline import ExaminedRecording, RecognisedSpeech
from deployments.ingress.schemas.audio import TranscriptionRequest, TranslationRequest
from deployments.media.documents import transcript_document
from deployments.media.transcript_formats import RENDERED, render_text, verbose_json

# Names that clients of OpenAI's API send; all of them mean the one speech model.
KNOWN_NAMES = (
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-transcribe",
    SPEECH,
)


class _SpeechOperation:
    """What both operations do."""

    request_class = RequestClass.MEDIA
    scope = Scope.GENERATE
    task: SpeechTask

    def __init__(
        self, audio: AudioServices | None, upload: UploadedRecording | None = None
    ) -> None:
        """`upload` came with the request; without one the body names a video."""
        self._audio = audio
        self._upload = upload

    async def _transcript(
        self, request: AdmittedRequest, body: TranslationRequest, options: SpeechOptions
    ) -> dict[str, Any]:
        async with self._recording(request, body) as (audio, recording):
            heard = await audio.pipeline.transcribe(recording, options, request)
            return _document(self.task, heard, recording)

    @asynccontextmanager
    async def _recording(
        self, request: AdmittedRequest, body: TranslationRequest
    ) -> AsyncIterator[tuple[AudioServices, ExaminedRecording]]:
        audio = require_audio(self._audio)
        check_model(body.model, audio, request)
        audio.pipeline.check_guarded(request)
        tenant = request.caller.tenant
        if self._upload is not None:
            path = self._upload.path
        else:
            found = await audio.stored_recording(tenant, body.video, body.file_id)
            if found is None:
                raise Malformed.at("/file", "is missing", "missing")
            path = found[0]
        limits = audio.limits_of(tenant)
        yield audio, await audio.pipeline.examine(path, request, limits)


class TranslateAudio(_SpeechOperation):
    """Translates the speech of a recording into English text."""

    schema = TranslationRequest
    can_stream = False
    task: SpeechTask = "translate"

    async def answer(self, request: AdmittedRequest, body: TranslationRequest) -> dict[str, Any]:
        options = SpeechOptions(
            task=self.task, prompt=body.prompt, temperature=body.temperature, words=False
        )
        document = await self._transcript(request, body, options)
        return answer_of(document, body.response_format, words=False, segments=True)

    async def events(self, request: AdmittedRequest, body: TranslationRequest) -> Events:
        """One event, the answer."""
        yield None, await self.answer(request, body)


class TranscribeAudio(_SpeechOperation):
    """Writes down the speech of a recording, in its language. With `stream` it answers with the
    events `transcript.text.delta` and, at the end, `transcript.text.done`."""

    schema = TranscriptionRequest
    can_stream = True
    task: SpeechTask = "transcribe"

    async def answer(self, request: AdmittedRequest, body: TranscriptionRequest) -> dict[str, Any]:
        document = await self._transcript(request, body, _options(body))
        granularities = body.timestamp_granularities
        segments = granularities is None or "segment" in granularities
        return answer_of(document, body.response_format, words=body.wants_words, segments=segments)

    async def events(self, request: AdmittedRequest, body: TranscriptionRequest) -> Events:
        async with self._recording(request, body) as (audio, recording):
            heard = RecognisedSpeech(recording.info.duration)
            stream = audio.pipeline.stream(recording, _options(body), request)
            async with aclosing(stream) as parts:
                async for part in parts:
                    is_first = not heard.segments
                    heard.take(part)
                    if part.segment is not None:
                        text = part.segment.text
                        delta = text.lstrip() if is_first else text
                        yield None, {"type": "transcript.text.delta", "delta": delta}
            document = _document(self.task, heard, recording)
            yield (
                None,
                {
                    "type": "transcript.text.done",
                    "text": document["text"],
                    "usage": document["usage"],
                },
            )


def check_model(name: str, audio: AudioServices, request: AdmittedRequest) -> None:
    """Raises UnknownModel, also where the plan or the key leaves speech out."""
    known = [*KNOWN_NAMES, *filter(None, [audio.config.speech])]
    allowed = request.allows_model(SPEECH)
    if not allowed or (name and name != "default" and name not in known):
        raise UnknownModel(name or SPEECH, tuple(known) if allowed else ())


def answer_of(
    document: dict[str, Any], format: str, *, words: bool, segments: bool
) -> dict[str, Any]:
    """`text` holds the rendered transcript where the format is none of JSON."""
    usage = document["usage"]
    if format in RENDERED:
        return {"text": render_text(document, format), "usage": usage}
    if format == "json":
        return {"text": document["text"], "usage": usage}
    return {**verbose_json(document, words=words, segments=segments), "usage": usage}


def _options(body: TranscriptionRequest) -> SpeechOptions:
    return SpeechOptions(
        language=body.language,
        prompt=body.prompt,
        temperature=body.temperature,
        words=body.wants_words,
    )


def _document(task: str, heard: RecognisedSpeech, recording: ExaminedRecording) -> dict[str, Any]:
    document = transcript_document(task, heard.language, heard.segments, heard.duration)
    return {**document, "usage": {"type": "duration", "seconds": recording.seconds}}
