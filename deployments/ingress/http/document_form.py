"""The form of a request with a document: fields and one file, in any order.

In: a multipart body, and what stores a file while it is received. Out: the fields as JSON of
DocumentCreate would have them, and the stored file.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from cluster.runtime.problems import Malformed
from deployments.ingress.documents import UploadedDocument
from deployments.ingress.http.multipart import FormPart, MultipartForm
from deployments.ingress.http.request_body import request_chunks
from deployments.ingress.upload_limits import FormTooLarge
from deployments.video.uploads.tus import name_of

MAX_FIELD = 16 << 10  # bytes
_SWITCHES = {"true": True, "false": False, "1": True, "0": False}
_FLAGS = frozenset({"ocr", "index"})

StoreDocument = Callable[[str, AsyncIterator[bytes], str], Awaitable[UploadedDocument]]


@dataclass(slots=True)
class DocumentForm:
    fields: dict[str, Any] = field(default_factory=dict)
    upload: UploadedDocument | None = None


async def read_document_form(
    request: Request, form: DocumentForm, store: StoreDocument, max_bytes: int
) -> None:
    """Fills `form`, so that its file is known also if the rest fails. Raises UnsupportedMedia,
    Malformed, FormTooLarge, ClientGone, and what `store` raises."""
    parts = MultipartForm(request_chunks(request), request.headers.get("content-type", "")).parts()
    async for part in parts:
        if part.name == "file":
            if form.upload is not None:
                raise Malformed.at("/file", "comes twice", "extra")
            chunks = part.bounded(max_bytes, FormTooLarge)
            name = name_of(part.filename, "document")
            form.upload = await store(name, chunks, part.content_type[:100])
        else:
            await _add_field(form.fields, part)


async def _add_field(fields: dict[str, Any], part: FormPart) -> None:
    text = (await part.whole(MAX_FIELD)).decode("utf-8", "replace")
    if part.name in fields:
        raise Malformed.at(f"/{part.name[:40]}", "comes twice", "extra")
    if part.name in _FLAGS:
        fields[part.name] = _SWITCHES.get(text.strip().lower(), text)
    elif text:
        fields[part.name] = text
