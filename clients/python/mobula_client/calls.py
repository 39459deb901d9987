"""Calls without input and output: which requests to send, and when to send one again.

Each call is a generator. It yields a request and is sent its response, or it yields a `Pause`; it
returns the answer. `client.py` runs the generators, blocking or on an event loop.
"""

import base64
import json
import math
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx

from mobula_client.problems import (
    DeadlineExceeded,
    InvalidRequest,
    Malformed,
    Problem,
    Unavailable,
    problem_in,
    problem_of,
)
from mobula_client.responses import ENDED, ChatResponse, ContentResponse, vectors

Answer = TypeVar("Answer")
Prompt = str | Sequence[Mapping[str, Any]]
RETRIED = frozenset({409, 429, 503})  # nothing was computed; retried where Retry-After is given
ANSWER_S = 5.0  # the server reports its own timeout within so much more time
CHUNK_BYTES = 8 << 20
LONG_POLL_S = 20
CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
RERANK, MODERATIONS = "/v1/rerank", "/v1/moderations"
TOKENIZE, DETOKENIZE = "/tokenize", "/detokenize"
CAPTIONS, POSTS = "/api/v1/captions", "/api/v1/posts"
TEXT = "/api/v1/text"
AUDIO = "/api/v1/audio"
BATCHES, FILES = "/api/v1/batches", "/v1/files"
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Pause:
    """Wait for so long."""

    seconds: float


@dataclass(frozen=True)
class Options:
    """What applies to every call of a client."""

    api_key: str
    timeout_s: float
    priority: str | None
    max_retries: int
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        """Raises InvalidRequest."""
        if not isinstance(self.timeout_s, (int, float)) or not 0 < self.timeout_s < math.inf:
            raise InvalidRequest("timeout_s must be more than 0 and finite.", param="timeout_s")


Call = Generator[httpx.Request | Pause, Any, Answer]
BuildRequest = Callable[..., httpx.Request]


class Calls:
    """Builds the requests of one client."""

    def __init__(self, url: str, options: Options, build: BuildRequest) -> None:
        """`url` is the cluster's; `build` is `build_request` of the httpx client that sends."""
        self.options = options
        self._url = url.rstrip("/")
        self._build = build

    def changed(self, changes: Mapping[str, Any]) -> "Calls":
        """The same with other options."""
        return Calls(self._url, replace(self.options, **changes), self._build)

    def chat(self, body: Mapping[str, Any]) -> Call[ChatResponse]:
        response = yield from self.attempts("POST", CHAT, body)
        return ChatResponse.of(response.json())

    def content(self, path: str, body: Mapping[str, Any]) -> Call[ContentResponse]:
        """Captions or posts."""
        response = yield from self.attempts("POST", path, body)
        return ContentResponse.of(response.json())

    def batch(self, path: str, items: Sequence[Mapping[str, Any]]) -> Call[list[dict[str, Any]]]:
        body = {"items": as_list(items, "items")}
        response = yield from self.attempts("POST", f"{path}/batch", body)
        return list(response.json()["results"])

    def embed(
        self, texts: str | Sequence[str], model: str, options: Mapping[str, Any]
    ) -> Call[list[list[float]]]:
        inputs = [texts] if isinstance(texts, str) else as_list(texts, "input")
        body = {"model": model, "input": inputs, **options, "encoding_format": "base64"}
        response = yield from self.attempts("POST", EMBEDDINGS, body)
        return vectors(response.json())

    def rerank(
        self,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        model: str,
        options: Mapping[str, Any],
    ) -> Call[list[dict[str, Any]]]:
        given = as_list(documents, "documents")
        body = {"model": model, "query": query, "documents": given, **options}
        response = yield from self.attempts("POST", RERANK, body)
        return list(response.json()["results"])

    def moderate(
        self, texts: str | Sequence[str], model: str | None, options: Mapping[str, Any]
    ) -> Call[list[dict[str, Any]]]:
        inputs = [texts] if isinstance(texts, str) else as_list(texts, "input")
        body = {"model": model, "input": inputs, **options}
        response = yield from self.attempts("POST", MODERATIONS, body)
        return list(response.json()["results"])

    def analyze_text(
        self,
        texts: str | Sequence[str],
        operations: Sequence[str] | None,
        options: Mapping[str, Any] | None,
        language: str | None,
    ) -> Call[Any]:
        body: dict[str, Any] = (
            {"text": texts} if isinstance(texts, str) else {"texts": as_list(texts, "texts")}
        )
        given = {"operations": operations, "options": options, "language": language}
        body |= {name: value for name, value in given.items() if value is not None}
        answer = (yield from self.attempts("POST", f"{TEXT}/analyze", body)).json()
        items = answer.get("items")
        return answer["results"] if items is None else [item["results"] for item in items]

    def improve(self, name: str, body: Mapping[str, Any]) -> Call[dict[str, Any]]:
        """What is said of posts: `optimize` or `best-time`."""
        response = yield from self.attempts("POST", f"{POSTS}/{name}", body)
        return dict(response.json())

    def best_time(
        self, outcomes: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Call[dict[str, Any]]:
        body = {"outcomes": as_list(outcomes, "outcomes"), **options}
        return (yield from self.improve("best-time", body))

    def write(self, name: str, body: Mapping[str, Any]) -> Call[dict[str, Any]]:
        """A text made of another: `summarize`, `rewrite` or `translate`."""
        response = yield from self.attempts("POST", f"{TEXT}/{name}", body)
        return dict(response.json())

    def tokenize(self, body: Mapping[str, Any]) -> Call[list[int]]:
        response = yield from self.attempts("POST", TOKENIZE, body)
        return list(response.json()["tokens"])

    def detokenize(self, tokens: Sequence[int], model: str) -> Call[str]:
        body = {"model": model, "tokens": as_list(tokens, "tokens")}
        response = yield from self.attempts("POST", DETOKENIZE, body)
        return str(response.json()["prompt"])

    def stream(self, path: str, body: Mapping[str, Any]) -> Call[httpx.Response]:
        """The response whose body is a stream of server-sent events."""
        return self.attempts("POST", path, {**body, "stream": True})

    def download(self, url: str) -> Call[httpx.Response]:
        """A file by its link, which needs no key; nobody else's server is sent one."""
        return self.attempts("GET", url, with_key=False)

    def attempts(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        with_key: bool = True,
    ) -> Call[httpx.Response]:
        """The first successful response. Raises the Problem of the last attempt.

        Repeated within the timeout: requests that were refused with Retry-After, and those that
        found no server. A request that the server may have begun is repeated only if it changes
        nothing, or under an idempotency key.
        """
        key = idempotency_key or self.options.idempotency_key
        content = None if body is None else _encoded(body)
        deadline = time.monotonic() + self.options.timeout_s
        repeatable = method == "GET" or key is not None
        for attempt in range(self.options.max_retries + 1):
            remaining = deadline - time.monotonic()
            fields = dict(headers or {})
            if with_key:
                fields |= self._headers(key if body is not None else None)
                fields["Mobula-Timeout"] = f"{max(remaining, 0.001):.3f}"
            try:
                response: httpx.Response = yield self._request(
                    method, path, content, fields, remaining
                )
            except httpx.TransportError as error:
                problem = problem_of_transport(error)
                again = repeatable or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                pause_s = 0.25 * 2**attempt
            else:
                if response.is_success:
                    return response
                problem = _of_response(response)
                again = response.status_code in RETRIED and problem.retry_after_s is not None
                pause_s = problem.retry_after_s or 0.0
            left_s = deadline - time.monotonic()
            if not again or attempt == self.options.max_retries or pause_s >= left_s:
                raise problem
            yield Pause(pause_s)
        raise AssertionError("the loop returns or raises")

    def clip(self, video: str, wait: bool, body: Mapping[str, Any]) -> Call[dict[str, Any]]:
        """The job, with `clips` once it has ended. Under one key there is one job."""
        key = self.options.idempotency_key or uuid.uuid4().hex
        path = f"/api/v1/videos/{video}/clips"
        response = yield from self.attempts("POST", path, body, idempotency_key=key)
        job = dict(response.json())
        if not wait:
            return job
        while job["state"] not in ENDED:
            job = yield from self._job_after(job["id"])
        response = yield from self.attempts("GET", f"/api/v1/jobs/{job['id']}/clips")
        job.pop("parts", None)
        return {**job, "clips": response.json()["data"]}

    def analyze_audio(
        self, source: Mapping[str, Any], wait: bool, options: Mapping[str, Any]
    ) -> Call[dict[str, Any]]:
        """The analysis, or the job where nobody waits for it. Under one key it is made once."""
        key = self.options.idempotency_key or uuid.uuid4().hex
        body = {**source, **options}
        response = yield from self.attempts("POST", AUDIO, body, idempotency_key=key)
        return (yield from self._analysis(dict(response.json()), wait))

    def transcribe(
        self, file: Path, wait: bool, options: Mapping[str, Any]
    ) -> Call[dict[str, Any]]:
        """The same for a file of this machine, which is sent in a form."""
        fields = {name: value for name, value in options.items() if value is not None}
        timeout = httpx.Timeout(self.options.timeout_s + ANSWER_S, connect=10.0)
        with file.open("rb") as content:
            request = self._build(
                "POST",
                self._url + AUDIO,
                files={"file": (file.name, content)},
                data=fields,
                headers=self._headers(None),
                timeout=timeout,
            )
            try:
                response: httpx.Response = yield request
            except httpx.TransportError as error:
                raise problem_of_transport(error) from error
        if not response.is_success:
            raise _of_response(response)
        return (yield from self._analysis(dict(response.json()), wait))

    def _analysis(self, answer: dict[str, Any], wait: bool) -> Call[dict[str, Any]]:
        if answer["object"] != "job" or not wait:
            return answer
        while answer["state"] not in ENDED:
            answer = yield from self._job_after(answer["id"])
        if answer["problem"] is not None:
            raise problem_in(answer["problem"])
        response = yield from self.attempts("GET", f"{AUDIO}/{answer['id']}")
        return dict(response.json())

    def _job_after(self, job: str) -> Call[dict[str, Any]]:
        """The job as it is when it has ended, or some seconds from now."""
        wait_s = int(min(LONG_POLL_S, self.options.timeout_s / 2))
        headers = {"Prefer": f"wait={wait_s}"}
        response = yield from self.attempts("GET", f"/api/v1/jobs/{job}", headers=headers)
        if wait_s < 1:
            yield Pause(0.5)
        return dict(response.json())

    def create_batch(
        self, operation: str, items: Sequence[Mapping[str, Any]] | None, file: str | None
    ) -> Call[dict[str, Any]]:
        """Under one key there is one batch."""
        body: dict[str, Any] = {"operation": operation, "input_file": file}
        if items is not None:
            body["items"] = as_list(items, "items")
        key = self.options.idempotency_key or uuid.uuid4().hex
        response = yield from self.attempts("POST", BATCHES, body, idempotency_key=key)
        return dict(response.json())

    def get_batch(self, batch: str, wait: bool) -> Call[dict[str, Any]]:
        response = yield from self.attempts("GET", f"{BATCHES}/{batch}")
        found = dict(response.json())
        while wait and found["ended"] is None:
            found = yield from self._batch_after(batch)
        return found

    def cancel_batch(self, batch: str) -> Call[dict[str, Any]]:
        response = yield from self.attempts("POST", f"{BATCHES}/{batch}/cancel", {})
        return dict(response.json())

    def _batch_after(self, batch: str) -> Call[dict[str, Any]]:
        """The batch as it is when it has ended, or some seconds from now."""
        wait_s = int(min(LONG_POLL_S, self.options.timeout_s / 2))
        headers = {"Prefer": f"wait={wait_s}"}
        response = yield from self.attempts("GET", f"{BATCHES}/{batch}", headers=headers)
        if wait_s < 1:
            yield Pause(0.5)
        return dict(response.json())

    def send_file(self, file: Path, purpose: str) -> Call[str]:
        """The id of a file of `/v1/files`."""
        with file.open("rb") as content:
            request = self._build(
                "POST",
                f"{self._url}{FILES}",
                data={"purpose": purpose},
                files={"file": (file.name, content)},
                headers=self._headers(None),
                timeout=httpx.Timeout(self.options.timeout_s + ANSWER_S),
            )
            try:
                response = yield request
            except httpx.TransportError as error:
                raise problem_of_transport(error) from error
        if not response.is_success:
            raise _of_response(response)
        return str(response.json()["id"])

    def file_content(self, file: str) -> Call[bytes]:
        response = yield from self.attempts("GET", f"{FILES}/{file}/content")
        return bytes(response.content)

    def upload(self, file: Path) -> Call[str]:
        """The id of the video made of a file, sent by tus: what arrived is not sent again."""
        size, name = file.stat().st_size, base64.b64encode(file.name.encode()).decode()
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
        created = yield from self.attempts("POST", "/api/v1/uploads", headers=headers)
        location = str(created.headers["Location"])
        offset, failures = 0, 0
        with file.open("rb") as source:
            while offset < size:
                source.seek(offset)
                try:
                    offset = yield from self._append(location, offset, source.read(CHUNK_BYTES))
                    failures = 0
                except (Unavailable, DeadlineExceeded):
                    if failures == self.options.max_retries:
                        raise
                    failures += 1
                    yield Pause(0.25 * 2**failures)
                    response = yield from self.attempts("GET", location)
                    offset = int(response.json()["received"])
        while True:
            response = yield from self.attempts("GET", location)
            upload = response.json()
            if upload["problem"] is not None:
                raise problem_in(upload["problem"])
            if upload["video"] is not None:
                return str(upload["video"])
            yield from self._append(location, size, b"")  # has the server check what arrived

    def _append(self, location: str, offset: int, chunk: bytes) -> Call[int]:
        fields = {**self._headers(None), **TUS, "Upload-Offset": str(offset)}
        fields["Content-Type"] = "application/offset+octet-stream"
        try:
            response = yield self._request("PATCH", location, chunk, fields, self.options.timeout_s)
        except httpx.TransportError as error:
            raise problem_of_transport(error) from error
        if not response.is_success:
            raise _of_response(response)
        return int(response.headers["Upload-Offset"])

    def _headers(self, key: str | None) -> dict[str, str]:
        given = {"Mobula-Priority": self.options.priority, "Idempotency-Key": key}
        fields = {name: value for name, value in given.items() if value is not None}
        return {"Authorization": f"Bearer {self.options.api_key}", **fields}

    def _request(
        self,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> httpx.Request:
        fields = dict(headers)
        if content is not None:
            fields.setdefault("Content-Type", "application/json")
        timeout = httpx.Timeout(max(timeout_s, 0.001) + ANSWER_S, connect=min(timeout_s, 10.0))
        url = self._url + path if path.startswith("/") else path
        return self._build(method, url, content=content, headers=fields, timeout=timeout)


def chat_body(prompt: Any, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(prompt, str):
        messages: list[Any] = [{"role": "user", "content": prompt}]
    else:
        messages = as_list(prompt, "messages")
    return {"model": model, "messages": messages, **options}


def tokenize_body(prompt: Any, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(prompt, str):
        return {"model": model, "prompt": prompt, **options}
    return chat_body(prompt, model, options)


def as_list(given: Any, field: str) -> list[Any]:
    """Raises Malformed for what cannot be iterated over."""
    try:
        return list(given)
    except TypeError:
        raise Malformed(f"/{field}: must be a list", param=field) from None


def _encoded(body: Mapping[str, Any]) -> bytes:
    given = {name: value for name, value in body.items() if value is not None}
    try:
        return json.dumps(given, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise Malformed(f"The request is not JSON: {error}") from None


def _of_response(response: httpx.Response) -> Problem:
    after = response.headers.get("Retry-After", "")
    retry_after_s = float(after) if after.isdigit() else None
    return problem_of(response.status_code, response.content, retry_after_s)


def problem_of_transport(error: httpx.TransportError) -> Problem:
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return DeadlineExceeded(f"No answer came in time ({type(error).__name__}).")
    return Unavailable(f"Mobula cannot be reached ({type(error).__name__}).", retry_after_s=2.0)
