"""Whatever a stranger or a tenant sends, reading it takes time in proportion to its length.

A new parser, pattern or renderer of outside text belongs into READERS. Time is this thread's CPU
time, the best of a few tries, and bounds are ratios with room to spare: a quadratic reader misses
them by an order of magnitude.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette.datastructures import Headers

from cluster.audit.fields import truncate_fields
from cluster.audit.record import AuditRecord
from cluster.audit.search import _position
from cluster.auth.delegation import Delegation
from cluster.auth.keys import key_id
from cluster.auth.passwords import normalised_email
from cluster.auth.tokens import verify
from cluster.blobs.links import DownloadLinks
from cluster.invalidation.tags import parse_tags
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import SystemClock
from cluster.runtime.json_values import encode
from cluster.runtime.logging import contains_credential, escape_active, redact
from cluster.runtime.problems import Problem
from cluster.storage.pagination import decode_cursor
from cluster.tenants.plan import Plan
from deployments.cache.semantic.literals import exact_match_tokens
from deployments.content.brief import Brief
from deployments.content.cleanup import clean, extract_hashtags
from deployments.content.moderation.moderator import moderator
from deployments.content.prompts import single_line
from deployments.content.scoring import words
from deployments.contracts.moderation import ModerationConfig
from deployments.ingress.context import STATE_KEY, RequestState
from deployments.ingress.http import cache_headers, range_requests
from deployments.ingress.http.content_codings import CODINGS
from deployments.ingress.http.ignored_fields import ignored_value
from deployments.ingress.http.middleware.boundary import access_line, request_id_of
from deployments.ingress.http.multipart import MultipartForm
from deployments.ingress.http.request_body import parse_json
from deployments.ingress.idempotency import idempotency_key
from deployments.ingress.routes import jobs
from deployments.ingress.schemas.auth import Login
from deployments.ingress.schemas.content import CaptionRequest
from deployments.ingress.schemas.embeddings import EmbeddingsRequest
from deployments.ingress.schemas.moderation import ModerationRequest
from deployments.ingress.schemas.openai import ChatRequest, CompletionRequest
from deployments.ingress.schemas.reranking import RerankRequest
from deployments.ingress.schemas.tokenization import TokenizeBody
from deployments.text.graphemes import emoji_in, truncate, without_emoji
from deployments.video.uploads import tus
from load_tests.benchmarks.faults.hostile_payloads import (
    ENDS,
    SHAPES,
    UNITS,
    PayloadShape,
    json_bodies,
)

Read = Callable[[str], object]
SMALL, LARGE = 64 << 10, 1 << 20  # bytes
FLOOR_S = 0.002  # of CPU: below it a clock's steps and the collector count more than the reader
SLACK = 4.0  # times what a linear reader would take
CLOCK = SystemClock()
PEPPER = b"p" * 32
BRIEF = Brief(topic="tea", platform="facebook", emoji=False, hashtags=3)
MODERATOR = moderator(ModerationConfig())
SCHEMAS = (ChatRequest, CompletionRequest, EmbeddingsRequest, CaptionRequest, Login, Plan)


def _line(path: str) -> bytes:
    scope = {"method": "GET", "path": path, "client": None, STATE_KEY: RequestState()}
    return access_line(CLOCK, scope, 404, 1.0, 0)


def _record(text: str) -> AuditRecord:
    texts = dict.fromkeys(("tenant", "actor", "action", "resource", "request_id"), text)
    return truncate_fields(AuditRecord(at=1.0, detail={"text": text}, **texts))


def _header(name: bytes) -> Callable[[str], list[tuple[bytes, bytes]]]:
    return lambda text: [(name, text.encode("utf-8", "replace"))]


def _headers(name: str) -> Callable[[str], Headers]:
    return lambda text: Headers(raw=[(name.encode(), text.encode("utf-8", "replace"))])


def _form(content_type: str, body: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 32 << 10):
            yield body[start : start + (32 << 10)]

    async def read() -> None:
        async for part in MultipartForm(chunks(), content_type).parts():
            async for _ in part.chunks:
                pass

    asyncio.run(read())


_BOUNDARY = "multipart/form-data; boundary=" + "b" * 20
_HEAD = b"--" + b"b" * 20 + b'\r\nContent-Disposition: form-data; name="file"\r\n\r\n'


def _decode(coding: str) -> Read:
    def read(text: str) -> None:
        decoder = CODINGS[coding]()
        for _ in decoder.feed(text.encode()):
            pass
        decoder.end()

    return read


def _in_json(schema: type[BaseModel], name: str) -> Read:
    return lambda text: parse_json(orjson.dumps({name: text, text: name}), schema)


def _ignored(text: str) -> None:
    """Short names, long ones, and one in each of many messages."""
    ignored: list[str] = []
    messages = [{"role": "user", "content": "", each: 1} for each in text.split()[:1000]]
    body = {"model": "m", "messages": messages or [{"role": "user", "content": ""}], text: 1}
    parse_json(orjson.dumps(body), ChatRequest, ignored)
    ignored_value(ignored)


READERS: dict[str, Read] = {
    "redaction": redact,
    "search for credentials": contains_credential,
    "escapes in logs": lambda text: escape_active(text.encode()),
    "access log": _line,
    "audit record": _record,
    "If-None-Match": lambda text: range_requests.matches_etag(text, '"x"'),
    "Range": lambda text: range_requests.parse_range({"range": text}, '"x"', 100),
    "If-Range": lambda text: range_requests.parse_range(
        {"range": "bytes=0-", "if-range": text}, "x", 9
    ),
    "file name to save": range_requests.content_disposition,
    "Prefer": lambda text: jobs._WAIT.search(text),
    "Idempotency-Key": lambda text: idempotency_key(_headers("idempotency-key")(text)),
    "X-Request-ID": lambda text: request_id_of({"headers": _header(b"x-request-id")(text)}),
    "Cache-Control": lambda text: cache_headers.parse_directives(_header(b"cache-control")(text)),
    "Mobula-Cache": lambda text: cache_headers.parse_directives(_header(b"mobula-cache")(text)),
    "Mobula-Cache-Tags": parse_tags,
    "Cache-Status": lambda text: cache_headers._parameter.__wrapped__(text),
    "Upload-Metadata": lambda text: tus.metadata_of(_headers("upload-metadata")(text)),
    "Upload-Checksum": lambda text: tus.checksum_of(_headers("upload-checksum")(text)),
    "Upload-Offset": lambda text: tus.offset_of(_headers("upload-offset")(text)),
    "name of a recording": tus.name_of,
    "cursor": decode_cursor,
    "cursor of the audit trail": _position,
    "key": key_id,
    "access token": lambda text: verify(text, lambda _: None, 0.0),
    "delegation": Delegation(PEPPER, CLOCK).verify,
    "file link": DownloadLinks(PEPPER, CLOCK).verify,
    "email": normalised_email,
    "URL": SsrfGuard(resolve=lambda *_: []).check,
    "form: content": lambda text: _form(_BOUNDARY, _HEAD + text.encode()),
    "form: headers": lambda text: _form(_BOUNDARY, _HEAD[:-2] + text.encode()),
    "form: preamble": lambda text: _form(_BOUNDARY, text.encode() + _HEAD),
    "form: content type": lambda text: _form("multipart/form-data; boundary=" + text, _HEAD),
    "form: parameters": lambda text: _form("multipart/form-data; " + text, _HEAD),
    "body: gzip": _decode("gzip"),
    "body: deflate": _decode("deflate"),
    "body: zstd": _decode("zstd"),
    "body: raw": lambda text: parse_json(text.encode(), ChatRequest),
    "body: captions": _in_json(CaptionRequest, "topic"),
    "body: embeddings": _in_json(EmbeddingsRequest, "input"),
    "body: rerank": _in_json(RerankRequest, "query"),
    "body: moderations": _in_json(ModerationRequest, "input"),
    "body: tokens": _in_json(TokenizeBody, "prompt"),
    "rules of moderation": MODERATOR.rule_scores,
    "body: chat": _in_json(ChatRequest, "model"),
    "body: unknown fields": _ignored,
    "values of a program": lambda text: encode({"text": text}),
    "literals of prompts": exact_match_tokens,
    "prompt": single_line,
    "hashtags": extract_hashtags,
    "emoji": emoji_in,
    "text without emoji": without_emoji,
    "text cut short": lambda text: truncate(text, len(text) - 1),
    "words": words,
    "model output": lambda text: clean(BRIEF, text),
}
# Linear, but a microsecond or more for each character: read in full only by `--all`. What they read
# is bounded elsewhere: a model's output by its tokens, a brief's texts by its schema.
SLOW = frozenset({"emoji", "text without emoji", "text cut short", "words", "model output"})
QUICK = sorted(READERS.keys() - SLOW)
SAMPLE = (
    "redaction",
    "access log",
    "Cache-Control",
    "If-None-Match",
    "form: content",
    "body: chat",
)
shapes = st.builds(
    PayloadShape,
    front=st.sampled_from(("", *UNITS)),
    unit=st.lists(st.sampled_from(UNITS), min_size=1, max_size=3).map("".join),
    end=st.sampled_from(ENDS),
)


def cpu_s(read: Read, text: str) -> float:
    """CPU seconds of this thread for one reading; a refusal is an answer as well."""
    gc.disable()
    started = time.thread_time()
    with suppress(Problem, ValueError):
        read(text)
    spent = time.thread_time() - started
    gc.enable()
    return spent


def is_linear(read: Read, shape: PayloadShape, small: int, large: int) -> bool:
    """Tries again before it says no: the machine is shared."""
    few, many = shape.text(small), shape.text(large)
    for _ in range(4):
        spent = cpu_s(read, many)
        if spent <= FLOOR_S:
            return True
        least = max(cpu_s(read, few), FLOOR_S * small / large)
        if spent <= least * (large / small) * SLACK:
            return True
    return False


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "has_end", [True, pytest.param(False, marks=pytest.mark.exhaustive)], ids=["ended", "bare"]
)
def test_every_shape_is_read_in_linear_time(name: str, has_end: bool) -> None:
    """What goes back over a text does it where the text ends otherwise than it went on."""
    shapes, large = [shape for shape in SHAPES if bool(shape.end) == has_end], 16 << 10
    if name in SLOW:
        large = 8 << 10

    slow = [shape.name for shape in shapes if not is_linear(READERS[name], shape, 1 << 10, large)]

    assert slow == []


@pytest.mark.parametrize("name", SAMPLE)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(shape=shapes)
def test_a_mebibyte_of_any_shape_takes_as_long_as_sixteen_times_a_sixteenth(
    name: str, shape: PayloadShape
) -> None:
    assert is_linear(READERS[name], shape, SMALL, LARGE)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", READERS)
@settings(suppress_health_check=list(HealthCheck))
@given(shape=shapes)
def test_any_shape_is_read_in_linear_time(name: str, shape: PayloadShape) -> None:
    small, large = (SMALL, LARGE) if name in QUICK else (4 << 10, SMALL)
    assert is_linear(READERS[name], shape, small, large)


def ignored_in(body: bytes, schema: type[BaseModel]) -> list[str]:
    ignored: list[str] = []
    parse_json(body, schema, ignored)
    return ignored


@pytest.fixture(scope="module")
def bodies() -> dict[str, bytes]:
    return json_bodies(LARGE)


@pytest.mark.parametrize("kind", json_bodies(100))
def test_a_hostile_body_is_refused_in_little_time_and_few_words(
    bodies: dict[str, bytes], kind: str
) -> None:
    """`LARGE` bytes for 20 ms at most; the refusal is short whatever was sent."""
    said: list[Problem] = []
    for schema in SCHEMAS:

        def read(_: str, schema: type[BaseModel] = schema) -> None:
            try:
                parse_json(bodies[kind], schema)
            except Problem as problem:
                said.append(problem)

        def read_leniently(_: str, schema: type[BaseModel] = schema) -> None:
            try:
                ignored_value(["x"] + ignored_in(bodies[kind], schema))
            except Problem as problem:
                said.append(problem)

        assert any(cpu_s(read, "") < 0.02 for _ in range(3)), schema
        assert any(cpu_s(read_leniently, "") < 0.04 for _ in range(3)), schema
    for problem in said:
        assert len(orjson.dumps(dict(problem.extensions))) < 16_000
        assert len(problem.detail) < 1_500
