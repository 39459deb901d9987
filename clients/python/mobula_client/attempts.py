"""Requests of one client, and when to send one again, without input and output.

Each call is a generator. It yields a request and is sent its response, or it yields a `Pause`; it
returns the answer. The two clients run the generators, blocking or on an event loop.
"""

import json
import math
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from mobula_client.problems import (
    DeadlineExceeded,
    InvalidRequest,
    Malformed,
    Problem,
    Unavailable,
    problem_of,
)

Answer = TypeVar("Answer")
RETRIED = frozenset({409, 429, 503})  # nothing was computed; retried where Retry-After is given
ANSWER_S = 5.0  # the server reports its own timeout within so much more time
LONG_POLL_S = 20


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


class Attempts:
    """Builds the requests of one client."""

    def __init__(self, url: str, options: Options, build: BuildRequest) -> None:
        """`url` is the cluster's; `build` is `build_request` of the httpx client that sends."""
        self.options = options
        self._url = url.rstrip("/")
        self._build = build

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """The same with other options."""
        return type(self)(self._url, replace(self.options, **changes), self._build)

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

    def stream(self, path: str, body: Mapping[str, Any]) -> Call[httpx.Response]:
        """The response whose body is a stream of server-sent events."""
        return self.attempts("POST", path, {**body, "stream": True})

    def download(self, url: str) -> Call[httpx.Response]:
        """A file by its link, which needs no key; nobody else's server is sent one."""
        return self.attempts("GET", url, with_key=False)

    def send_form(self, path: str, file: Path, fields: Mapping[str, Any]) -> Call[httpx.Response]:
        """The response to a form with a file of this machine. It is sent once."""
        timeout = httpx.Timeout(self.options.timeout_s + ANSWER_S, connect=10.0)
        with file.open("rb") as content:
            request = self._build(
                "POST",
                self._url + path,
                files={"file": (file.name, content)},
                data=fields,
                headers=self._headers(None),
                timeout=timeout,
            )
            return (yield from self._attempt(request))

    def poll(self, path: str) -> Call[dict[str, Any]]:
        """A job or a batch as it is when it has ended, or some seconds from now."""
        wait_s = int(min(LONG_POLL_S, self.options.timeout_s / 2))
        headers = {"Prefer": f"wait={wait_s}"}
        response = yield from self.attempts("GET", path, headers=headers)
        if wait_s < 1:
            yield Pause(0.5)
        return dict(response.json())

    def _attempt(self, request: httpx.Request) -> Call[httpx.Response]:
        """The successful response to a request that is sent once."""
        try:
            response: httpx.Response = yield request
        except httpx.TransportError as error:
            raise problem_of_transport(error) from error
        if not response.is_success:
            raise _of_response(response)
        return response

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
