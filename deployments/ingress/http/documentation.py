"""`/docs` and `/redoc`: the OpenAPI description as pages, without files of other servers.

In: the application, and the scripts of Swagger UI and Redoc from an installed package. Out: pages,
scripts and `/openapi.json`, each rendered once per replica, off the event loop, plain and
compressed. Pages have no inline scripts, so the content policy allows files only.
"""

import asyncio
import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from importlib.resources import files

import orjson
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from cluster.runtime.problems import NotFound

PACKAGE = "fastapi_standalone_docs"
_SHARED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# Both create styles at run time; Redoc searches in a worker created from a blob.
POLICY = (
    f"{_SHARED}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:"
)
CACHE_CONTROL = "public, max-age=3600"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mobula API</title>
<link rel="icon" type="image/png" href="docs/assets/favicon.png">
{style}</head>
<body>
<div id="page"></div>
<script src="docs/assets/{script}"></script>
<script src="docs/assets/{start}"></script>
</body>
</html>
"""
_STYLE = '<link rel="stylesheet" href="docs/assets/swagger-ui.css">\n'
_SWAGGER = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
});
"""
_REDOC = 'Redoc.init("openapi.json", {}, document.getElementById("page"));\n'

HTML, SCRIPT, STYLE = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css"
PNG, SVG, JSON = "image/png", "image/svg+xml", "application/json"
# path -> the package's file
_FILES = {
    "/docs/assets/swagger-ui-bundle.js": ("swagger/swagger-ui-bundle.js", SCRIPT),
    "/docs/assets/swagger-ui.css": ("swagger/swagger-ui.css", STYLE),
    "/docs/assets/redoc.standalone.js": ("redoc/redoc.standalone.js", SCRIPT),
    "/docs/assets/favicon.png": ("fastapi/favicon.png", PNG),
    "/redoc/logo-mini.svg": ("redoc/logo-mini.svg", SVG),
}
_OWN = {
    "/docs": (
        _PAGE.format(style=_STYLE, script="swagger-ui-bundle.js", start="swagger-start.js"),
        HTML,
    ),
    "/redoc": (_PAGE.format(style="", script="redoc.standalone.js", start="redoc-start.js"), HTML),
    "/docs/assets/swagger-start.js": (_SWAGGER, SCRIPT),
    "/docs/assets/redoc-start.js": (_REDOC, SCRIPT),
}


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes to serve, plain and compressed; each coding has a strong tag of its own."""

    media_type: str
    plain: bytes
    gzipped: bytes
    tag: str

    @classmethod
    def of(cls, plain: bytes, media_type: str) -> "Document":
        tag = blake2b(plain, digest_size=16).hexdigest()
        return cls(media_type, plain, gzip.compress(plain, 6, mtime=0), tag)


class Documents:
    """Renders each document at its first request, in a thread, once."""

    def __init__(self, sources: Mapping[str, Callable[[], Document]]) -> None:
        self._sources = sources
        self._documents: dict[str, asyncio.Future[Document]] = {}

    async def get(self, path: str) -> Document:
        """Raises NotFound, and what the document's source raises."""
        source = self._sources.get(path)
        if source is None:
            raise NotFound("Not Found")
        if path not in self._documents or _has_failed(self._documents[path]):
            self._documents[path] = asyncio.ensure_future(asyncio.to_thread(source))
        return await asyncio.shield(self._documents[path])


def documents(api: FastAPI) -> Documents:
    """The documents of one application; `api` is described at the first request for
    `/openapi.json`.
    """
    sources: dict[str, Callable[[], Document]] = {
        "/openapi.json": lambda: Document.of(orjson.dumps(api.openapi()), JSON)
    }
    for path, (file, media_type) in _FILES.items():
        sources[path] = partial(_from_package, file, media_type)
    for path, (text, media_type) in _OWN.items():
        sources[path] = partial(Document.of, text.encode(), media_type)
    return Documents(sources)


def documentation_routes() -> APIRouter:
    """The routes, for every application whose state has `documents`."""
    router = APIRouter(include_in_schema=False)

    async def serve(request: Request) -> Response:
        of_app: Documents = request.app.state.documents
        return _response(await of_app.get(request.scope["path"]), request)

    for path in ("/openapi.json", *_FILES, *_OWN):
        router.add_api_route(path, serve, methods=["GET"], response_model=None)
    return router


def _has_failed(document: asyncio.Future[Document]) -> bool:
    return document.done() and (document.cancelled() or document.exception() is not None)


def _from_package(file: str, media_type: str) -> Document:
    return Document.of((files(PACKAGE) / "static" / file).read_bytes(), media_type)


def _response(document: Document, request: Request) -> Response:
    is_gzipped = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{document.tag}{"-gzip" if is_gzipped else ""}"'
    headers = {"ETag": tag, "Vary": "Accept-Encoding", "Cache-Control": CACHE_CONTROL}
    if document.media_type == HTML:
        headers["Content-Security-Policy"] = POLICY
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = document.plain
    if is_gzipped:
        headers["Content-Encoding"], body = "gzip", document.gzipped
    return Response(body, headers=headers, media_type=document.media_type)
