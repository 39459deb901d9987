"""`/v1/audio/transcriptions`, `/v1/audio/translations` and `/api/v1/audio`: recordings in forms."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from cluster.runtime.problems import Malformed, Problem, UnsupportedMedia
from deployments.ingress.audio import AudioServices, require_audio
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import AdmittedRequest, request_state
from deployments.ingress.http.audio_form import AudioForm, read_audio_form
from deployments.ingress.http.ignored_fields import IGNORED_FIELDS, ignored_value
from deployments.ingress.http.multipart import FORM
from deployments.ingress.http.openapi import GENERATION_PROBLEMS, problem_responses
from deployments.ingress.http.problems import openai_body
from deployments.ingress.http.request_body import JSON, parse_json, receive_json
from deployments.ingress.http.streaming import SSE, Events, EventStream
from deployments.ingress.idempotency import with_idempotency
from deployments.ingress.operations.audio_analysis import AnalyzeAudio
from deployments.ingress.operations.audio_results import GetAudioAnalysis
from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.transcriptions import TranscribeAudio, TranslateAudio
from deployments.ingress.permissions import ReadsAudio, services_of
from deployments.ingress.routes.operations import AsgiResponse
from deployments.ingress.routes.responses import LOOK, MAKE
from deployments.ingress.schemas.audio import (
    AudioAnalysisRequest,
    AudioAnalysisResponse,
    AudioQuery,
    ResponseFormat,
    TranscriptionRequest,
    TranscriptionResponse,
    TranslationRequest,
)
from deployments.ingress.schemas.jobs import JobResponse
from deployments.ingress.schemas.lenient import HintedBody
from deployments.media.transcript_formats import MEDIA_TYPES, RENDERED

RETRY_AFTER_S = "2"
Schema = TypeVar("Schema", bound=BaseModel)

router = APIRouter()
JobId = Annotated[str, Path(max_length=64, description="The job's id.")]
Format = Annotated[
    ResponseFormat | None,
    Query(description="The transcript alone, in this format. Left out: the analysis."),
]


def _form(schema: type[BaseModel], *, json: bool = False) -> dict[str, Any]:
    """The description of a body with the fields of `schema` beside `file`."""
    described = schema.model_json_schema()["properties"]
    hidden = {"video"} if not json else set()
    fields = {name: {"type": "string"} for name in described if name not in hidden}
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"file": file, **fields}, "required": ["file"]}
    content: dict[str, Any] = {FORM: {"schema": form}}
    if json:
        content[JSON] = {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}
    return {"requestBody": {"required": True, "content": content}}


def _transcript(*media_types: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {
            "model": TranscriptionResponse,
            "description": "The transcript, as `response_format` says.",
            "content": {kind: {"schema": {"type": "string"}} for kind in media_types},
        },
        **problem_responses(*GENERATION_PROBLEMS, form="openai"),
    }


@dataclass(slots=True)
class _FormCall:
    """A request whose body has been read: `body` is JSON, `raw` what repetitions of the request
    have in common. The file of its form is deleted at the end unless `keeps_upload`."""

    request: Request
    audio: AudioServices
    admitted: AdmittedRequest
    form: AudioForm = field(default_factory=AudioForm)
    body: bytes = b""
    raw: bytes = b""
    keeps_upload: bool = False

    def idempotent(self, operation: Operation[Any], name: str) -> Operation[Any]:
        services, headers = services_of(self.request), self.request.headers
        return with_idempotency(
            operation, services.idempotency, name, headers, self.raw, services.guardrails
        )


@router.post(
    "/v1/audio/transcriptions",
    tags=["openai"],
    response_model=None,
    responses=_transcript("text/plain", SSE),
    summary="Transcribe a recording",
    openapi_extra=_form(TranscriptionRequest),
)
async def create_transcription(request: Request) -> Response:
    """A form with `file`: a recording, or a video, whose sound is used. The connection is kept
    until the end, within the request's deadline; `POST /api/v1/audio` takes long ones as jobs.
    """
    async with AsyncExitStack() as stack:
        call = await stack.enter_async_context(_read(request, "transcribe_audio"))
        body = _parse(call, TranscriptionRequest)
        operation = TranscribeAudio(call.audio, call.form.upload)
        run = call.idempotent(operation, "transcribe_audio")
        if body.stream:
            events = _held(stack.pop_all(), run.events(call.admitted, body))
            return AsgiResponse(_stream(events, call))
        return _answer(await run.answer(call.admitted, body), body.response_format)


@router.post(
    "/v1/audio/translations",
    tags=["openai"],
    response_model=None,
    responses=_transcript("text/plain"),
    summary="Translate a recording into English",
    openapi_extra=_form(TranslationRequest),
)
async def create_translation(request: Request) -> Response:
    """A form with `file`. The answer is English text, whatever language is spoken."""
    async with _read(request, "translate_audio") as call:
        body = _parse(call, TranslationRequest)
        run = call.idempotent(TranslateAudio(call.audio, call.form.upload), "translate_audio")
        return _answer(await run.answer(call.admitted, body), body.response_format)


@router.post(
    "/api/v1/audio",
    tags=["audio"],
    response_model=AudioAnalysisResponse,
    responses={
        **MAKE,
        202: {"model": JobResponse, "description": "A job does it; `Location` is its URL."},
    },
    summary="Analyse a recording",
    openapi_extra=_form(AudioAnalysisRequest, json=True),
)
async def analyze_audio(request: Request) -> Response:
    """A form with `file`, or JSON that names a `video` or a `url`. Recordings of up to a minute are
    answered at once, longer ones by a job: `GET /api/v1/audio/{job}` has its result. With an
    `Idempotency-Key`, repetitions of a request are one.
    """
    async with _read(request, "analyze_audio") as call:
        body = _parse(call, AudioAnalysisRequest)
        operation = AnalyzeAudio(call.audio, call.form.upload)
        answer = await call.idempotent(operation, "analyze_audio").answer(call.admitted, body)
        call.keeps_upload = operation.has_taken_upload
    if answer["object"] == "job":
        headers = {"Location": f"/api/v1/jobs/{answer['id']}", "Retry-After": RETRY_AFTER_S}
        content = JobResponse.model_validate(answer).model_dump(mode="json")
        return JSONResponse(content, 202, headers)
    return Response(orjson.dumps(answer), media_type=JSON)


@router.get(
    "/api/v1/audio/{job}",
    tags=["audio"],
    response_model=AudioAnalysisResponse,
    responses={**LOOK, **problem_responses(409)},
    summary="The result of an audio job",
)
async def get_audio_analysis(
    admitted: ReadsAudio, job: JobId, request: Request, format: Format = None
) -> Response:
    """The analysis, or its transcript alone. Refused with 409 unless the job has succeeded. The
    guardrails that hold now are applied to the transcript."""
    operation = GetAudioAnalysis(services_of(request).audio)
    answer = await operation.answer(admitted, AudioQuery(job=job, format=format))
    return _answer(answer, format or JSON)


@asynccontextmanager
async def _read(request: Request, name: str) -> AsyncIterator[_FormCall]:
    """Admits the request and reads its body; a file of it is deleted at the end, unless the call
    says that it is kept."""
    services, operation = services_of(request), request.app.state.operations[name]
    request_state(request.scope).operation = name
    context = authenticate(services, request, operation.request_class)
    try:
        audio = require_audio(services.audio)
    except Problem as problem:
        services.admission.record_refused(context, name, problem)
        raise
    async with services.admission.admitted(
        context, operation.request_class, name, scope=operation.scope
    ) as admitted:
        call = _FormCall(request, audio, admitted)
        try:
            await _receive(call)
            yield call
        finally:
            if call.form.upload is not None and not call.keeps_upload:
                await audio.discard(admitted.caller.tenant, call.form.upload)


async def _receive(call: _FormCall) -> None:
    """Raises UnsupportedMedia, Malformed, and what storing the file raises."""
    request, form, audio = call.request, call.form, call.audio
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON and request.url.path.startswith("/api/"):
        call.body = call.raw = await receive_json(request)
        return
    if kind != FORM:
        raise UnsupportedMedia(kind or "(none)", (FORM,))
    store = partial(audio.store, call.admitted.caller.tenant)
    await read_audio_form(request, form, store, audio.config.max_form_bytes)
    if form.upload is None:
        raise Malformed.at("/file", "is missing", "missing")
    call.body = orjson.dumps(form.fields)
    call.raw = orjson.dumps([form.fields, form.upload.sha256])


def _parse(call: _FormCall, schema: type[Schema]) -> Schema:
    """The fields. Of OpenAI's forms, those without effect are named in the response."""
    if call.request.url.path.startswith("/api/"):
        return parse_json(call.body, schema)
    ignored: list[str] = []
    body = parse_json(call.body, schema, ignored)
    if isinstance(body, HintedBody):
        ignored += body.idle_hints()
    if ignored:
        state = request_state(call.request.scope)
        state.extra_headers.append((IGNORED_FIELDS, ignored_value(ignored)))
    return body


def _answer(answer: dict[str, Any], format: str) -> Response:
    if format in RENDERED:
        return Response(answer["text"], media_type=MEDIA_TYPES[format])
    return Response(orjson.dumps(answer), media_type=JSON)


async def _held(stack: AsyncExitStack, events: Events) -> Events:
    """The events, with what the request holds until they end."""
    async with stack, aclosing(events):
        async for event in events:
            yield event


def _stream(events: Events, call: _FormCall) -> EventStream:
    request_id = call.admitted.request_id
    return EventStream(
        events,
        deadline=call.admitted.deadline,
        error_body=lambda problem: openai_body(problem, request_id),
        named_errors=False,
    )
