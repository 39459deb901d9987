"""Requests that are hard to read, asked one after the other, and what others notice meanwhile.

Flows in: a client of a running application and its key. Flows out: for each request its status, how
long it took, how large the answer was and how long a neighbour waited for `/healthz`; and how late
the event loop of each stage ran.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from load_tests.benchmarks.faults.hostile_payloads import SHAPES, json_bodies

JSON = {"content-type": "application/json"}
_BOUNDARY = "b" * 20
_FORM = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
_PART = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"\r\n\r\n'.encode()
_LIST_FIELDS = ("if-none-match", "cache-control", "mobula-cache-tags", "idempotency-key", "prefer")
_CHAT = "/v1/chat/completions"
_PROMPT = 14_000  # bytes; the shipped model refuses more than it has tokens for by their number
_LAYERS = _PROMPT // 6
_PROMPTS = {  # what a model's replica has to clean before it reads it
    "nested special tokens": "<|e" * _LAYERS + "<|end|>" + "nd|>" * _LAYERS,
    "special tokens": "<|end|>" * (_PROMPT // 7),
    "almost special tokens": "<|end|" * (_PROMPT // 6),
}
_NEIGHBOUR_S = 0.005  # between a neighbour's requests


@dataclass(frozen=True)
class HostileRequest:
    """`name` says what is hard about it. Where `is_open`, it is asked without a key."""

    name: str
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False


def _chat(text: str) -> bytes:
    """A request that the cache does not answer, with stop strings to look for."""
    message = {"role": "user", "content": text}
    body = {"model": "nano", "messages": [message], "max_tokens": 16, "stop": ["\n\n", "aaaab"]}
    return orjson.dumps(body)


@dataclass(frozen=True)
class HostileOutcome:
    """Of one request. Times are in seconds; `status` 0: no answer came."""

    request: HostileRequest
    status: int
    took_s: float
    answer_bytes: int
    neighbour_s: float


def requests(body_bytes: int, header_bytes: int) -> Iterator[HostileRequest]:
    """Every route that reads something hard, with bodies and header fields of about these sizes."""
    for kind, body in json_bodies(body_bytes).items():
        yield HostileRequest(kind, "POST", "/v1/chat/completions", body, JSON)
        yield HostileRequest(kind, "POST", "/api/v1/captions", body, JSON)
    for kind, body in json_bodies(min(body_bytes, 16_000)).items():
        yield HostileRequest(kind, "POST", "/api/v1/auth/login", body, JSON, is_open=True)
    for shape in SHAPES:
        text = shape.text(header_bytes).encode()
        if all(0x20 < byte < 0x7F for byte in text):
            path = "/x" + text.decode().replace("#", "").replace("?", "").replace("%", "")
            yield HostileRequest(f"path {shape.name}", "GET", path, is_open=True)
            for name in _LIST_FIELDS:
                fields = {name: text.decode()}
                yield HostileRequest(f"{name} {shape.name}", "GET", "/v1/models", headers=fields)
    for unit in (b"\r", b"\r\n", b"\r\n--" + _BOUNDARY[1:].encode()):
        form = _PART + unit * (body_bytes // len(unit))
        yield HostileRequest(f"form {unit!r}", "POST", "/api/v1/videos", form, _FORM)
    yield from prompts()
    yield HostileRequest("all of the API", "GET", "/openapi.json", is_open=True)
    yield HostileRequest("a script", "GET", "/docs/assets/swagger-ui-bundle.js", is_open=True)


def prompts() -> Iterator[HostileRequest]:
    """Chats whose text is hard to clean, tokenize or cut."""
    texts = {shape.name: shape.text(_PROMPT) for shape in SHAPES}
    for name, text in (texts | _PROMPTS).items():
        yield HostileRequest(f"prompt {name}", "POST", _CHAT, _chat(text), JSON)


async def send_all(
    client: httpx.AsyncClient, key: str, requests: Iterable[HostileRequest]
) -> AsyncIterator[HostileOutcome]:
    """One at a time, each beside a neighbour that asks for `/healthz` again and again."""
    for request in requests:
        async with _neighbour(client) as waits:
            yield await _ask(client, key, request, waits)


async def read_ingress_lag(client: httpx.AsyncClient, key: str) -> dict[str, float]:
    """How late the event loop of the ingress ran lately, in seconds, as `/health` says."""
    answer = await client.get("/health", headers={"Authorization": f"Bearer {key}"})
    health: dict[str, Any] = answer.raise_for_status().json()
    return {"Ingress": float(health["replica"].get("loop_lag_s", 0.0))}


async def _ask(
    client: httpx.AsyncClient, key: str, request: HostileRequest, waits: list[float]
) -> HostileOutcome:
    headers = dict(request.headers)
    if not request.is_open:
        headers["Authorization"] = f"Bearer {key}"
    started = time.perf_counter()
    try:
        answer = await client.request(
            request.method, request.path, content=request.body, headers=headers
        )
        status, length = answer.status_code, len(answer.content)
    except httpx.HTTPError:
        status, length = 0, 0
    took_s = time.perf_counter() - started
    return HostileOutcome(request, status, took_s, length, max(waits, default=0.0))


@asynccontextmanager
async def _neighbour(client: httpx.AsyncClient) -> AsyncIterator[list[float]]:
    waits: list[float] = []

    async def ask() -> None:
        while True:
            started = time.perf_counter()
            await client.get("/healthz")
            waits.append(time.perf_counter() - started)
            await asyncio.sleep(_NEIGHBOUR_S)

    task = asyncio.create_task(ask())
    await asyncio.sleep(0)
    try:
        yield waits
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
