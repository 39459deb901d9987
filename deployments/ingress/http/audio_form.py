"""The forms of requests with a recording: fields and one file, in any order.

In: a multipart body, and what stores a file while it is received. Out: the fields as JSON of a
schema would have them, and the stored file. `name[]` is a list, as OpenAI's clients send it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from cluster.runtime.problems import Malformed
from deployments.ingress.audio import UploadedRecording
from deployments.ingress.http.multipart import FormPart, MultipartForm
from deployments.ingress.http.request_body import request_chunks
from deployments.ingress.upload_limits import FormTooLarge
from deployments.video.uploads.tus import name_of

MAX_FIELD = 16 << 10  # bytes
_NUMBERS = frozenset({"temperature"})
_SWITCHES = {"true": True, "false": False, "1": True, "0": False}
_FLAGS = frozenset({"stream"})
_LISTS = frozenset({"timestamp_granularities", "include", "parts", "keywords", "languages"})

Store = Callable[[str, AsyncIterator[bytes]], Awaitable[UploadedRecording]]


@dataclass(slots=True)
class AudioForm:
    fields: dict[str, Any] = field(default_factory=dict)
    upload: UploadedRecording | None = None


async def read_audio_form(request: Request, form: AudioForm, store: Store, max_bytes: int) -> None:
    """Fills `form`, so that its file is known also if the rest fails. Raises UnsupportedMedia,
    Malformed, FormTooLarge, ClientGone, and what `store` raises."""
    parts = MultipartForm(request_chunks(request), request.headers.get("content-type", "")).parts()
    async for part in parts:
        if part.name == "file":
            if form.upload is not None:
                raise Malformed.at("/file", "comes twice", "extra")
            chunks = part.bounded(max_bytes, FormTooLarge)
            form.upload = await store(name_of(part.filename, "recording"), chunks)
        else:
            await _add_field(form.fields, part)


async def _add_field(fields: dict[str, Any], part: FormPart) -> None:
    text = (await part.whole(MAX_FIELD)).decode("utf-8", "replace")
    name = part.name.removesuffix("[]")
    if name in _LISTS:
        fields.setdefault(name, []).append(text)
    elif name in fields:
        raise Malformed.at(f"/{name[:40]}", "comes twice", "extra")
    else:
        fields[name] = _value(name, text)


def _value(name: str, text: str) -> Any:
    """Texts that are no number or switch stay as they are, for the schema to refuse."""
    if name in _FLAGS:
        return _SWITCHES.get(text.strip().lower(), text)
    if name in _NUMBERS:
        try:
            return float(text)
        except ValueError:
            return text
    return text or None
