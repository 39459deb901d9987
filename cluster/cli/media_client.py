"""HTTP client for recordings, jobs and clips that survives broken connections.

In: files and options. Out: ids, events and downloaded files. Uploads (tus) and event streams resume
where they stopped, downloads are repeated. A refused request raises `ApiError`; a cluster that does
not answer for LIMIT_S raises httpx.TransportError.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson

from cluster.runtime.clock import Clock, SystemClock

FIRST_S, LONGEST_S = 0.5, 8.0
LIMIT_S = 120.0  # a restarted cluster answers within 45 s
RETRYABLE = frozenset({408, 423, 429, 500, 502, 503, 504})  # transient statuses


class RetryableResponse(httpx.TransportError):
    """The cluster responded with a transient error status."""

    def __init__(self, status: int, retry_after_s: float = 0.0) -> None:
        super().__init__(f"HTTP {status}")
        self.retry_after_s = retry_after_s


def raise_if_retryable(response: httpx.Response) -> httpx.Response:
    """Returns the response. Raises RetryableResponse if its status is transient."""
    if response.status_code not in RETRYABLE:
        return response
    after = response.headers.get("Retry-After", "")
    raise RetryableResponse(response.status_code, float(after) if after.isdigit() else 0.0)


class Retries:
    """Backoff state of one command; a step that succeeds calls `progress`."""

    def __init__(
        self,
        print_line: Callable[[str], None],
        limit_s: float = LIMIT_S,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._print_line, self._limit_s, self._sleep = print_line, limit_s, sleep
        self._clock = clock or SystemClock()
        self._failures = 0
        self._since = self._clock.monotonic()

    def progress(self) -> None:
        self._failures = 0
        self._since = self._clock.monotonic()

    def wait(self, error: httpx.TransportError) -> None:
        """Pauses before the next attempt. Raises `error` after `limit_s` without progress."""
        if self._failures == 0:
            self._since = self._clock.monotonic()
        if self._clock.monotonic() - self._since >= self._limit_s:
            raise error
        pause = min(LONGEST_S, FIRST_S * 2 ** min(self._failures, 10))
        if isinstance(error, RetryableResponse):
            pause = max(pause, min(error.retry_after_s, self._limit_s))
        if self._failures == 0:
            self._print_line(f"no response ({error or type(error).__name__}); retrying")
        self._failures += 1
        self._sleep(pause)


CHUNK = 8 << 20
TIMEOUT_S = 120.0
EVENTS_TIMEOUT_S = 60.0  # the stream sends a heartbeat every 15 s
TUS = {"Tus-Resumable": "1.0.0"}
ENDED = ("succeeded", "partial", "failed", "canceled")
TRANSCRIPTS = {
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".json": "application/json",
    ".jsonl": "application/json",
}

ProgressCallback = Callable[[float], None]
Event = tuple[str, dict[str, Any]]


class ApiError(Exception):
    """The cluster refused the request; the text is shown to the user."""


class MediaClient:
    """`http` is configured with the cluster's address and key."""

    def __init__(self, http: httpx.Client, retries: Retries) -> None:
        self._http = http
        self._retries = retries

    def upload(self, file: Path, report: ProgressCallback) -> str:
        """Uploads a file and returns the video's id; `report` receives the share, 0 to 1."""
        size = file.stat().st_size
        name = base64.b64encode(file.name.encode()).decode()
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
        # A creation whose response was lost leaves an empty upload, which expires.
        location = self.request("POST", "/api/v1/uploads", headers=headers).headers["Location"]
        with file.open("rb") as source:
            offset = 0
            while offset < size:
                offset = self._append(location, source.seek(offset), source.read(CHUNK))
                report(offset / size)
        # The last chunk may have been stored but not verified: an empty one completes the upload.
        upload = self.request("GET", location).json()
        if not upload.get("video"):
            self._append(location, size, b"")
            upload = self.request("GET", location).json()
        return str(upload["video"])

    def _append(self, location: str, offset: int, chunk: bytes) -> int:
        """Sends `chunk`; returns the server's offset."""
        headers = {**TUS, "Content-Type": "application/offset+octet-stream"}
        headers["Upload-Offset"] = str(offset)
        try:
            response = raise_if_retryable(
                self._http.patch(location, headers=headers, content=chunk, timeout=TIMEOUT_S)
            )
            if response.status_code == 409:  # an earlier attempt was stored
                raise RetryableResponse(409)
        except httpx.TransportError as error:
            self._retries.wait(error)
            return self._get_offset(location)
        self._raise_for(response)
        self._retries.progress()
        return int(response.headers["Upload-Offset"])

    def _get_offset(self, location: str) -> int:
        return int(self.request("HEAD", location, headers=TUS).headers["Upload-Offset"])

    def put_transcript(self, video: str, file: Path) -> dict[str, Any]:
        kind = TRANSCRIPTS.get(file.suffix.lower())
        if kind is None:
            raise ApiError(f"{file.name}: a transcript is a .srt, .vtt, .json or .jsonl file")
        path, headers = f"/api/v1/videos/{video}/transcript", {"Content-Type": kind}
        response: dict[str, Any] = self.request(
            "PUT", path, headers=headers, content=file.read_bytes()
        ).json()
        return response

    def order_clips(
        self, video: str, options: dict[str, Any], idempotency_key: str
    ) -> dict[str, Any]:
        """Orders clips and returns the job. A repeated `idempotency_key` creates no second job."""
        path, headers = f"/api/v1/videos/{video}/clips", {"Idempotency-Key": idempotency_key}
        job: dict[str, Any] = self.request("POST", path, json=options, headers=headers).json()
        return job

    def events(self, job: str) -> Iterator[Event]:
        """Yields each event of the job once until it ends; reconnects after failures."""
        last = 0
        while True:
            try:
                for name, number, data in self._stream(job, last):
                    self._retries.progress()
                    last = number or last
                    yield name, data
                    if name in ENDED:
                        return
                if self.job(job)["state"] in ENDED:
                    return
            except httpx.TransportError as error:
                self._retries.wait(error)

    def _stream(self, job: str, after: int) -> Iterator[tuple[str, int, dict[str, Any]]]:
        path = f"/api/v1/jobs/{job}/events"
        query = {"after": after}
        with self._http.stream("GET", path, params=query, timeout=EVENTS_TIMEOUT_S) as response:
            raise_if_retryable(response)
            if response.is_error:
                response.read()
            self._raise_for(response)
            yield from parse_events(response.iter_lines())

    def job(self, job: str) -> dict[str, Any]:
        job_status: dict[str, Any] = self.request("GET", f"/api/v1/jobs/{job}").json()
        return job_status

    def clips(self, job: str) -> list[dict[str, Any]]:
        """The clips at present, with links that are valid for an hour."""
        clips: list[dict[str, Any]] = self.request("GET", f"/api/v1/jobs/{job}/clips").json()[
            "data"
        ]
        return clips

    def download(self, url: str, to: Path, sha256: str) -> None:
        """Downloads atomically: to a temporary file, verified against `sha256`, then renamed.

        Raises ApiError if the checksum differs.
        """
        part = to.with_name(f".{to.name}.part")
        try:
            while not self._fetch(url, part):
                pass
            with part.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    raise ApiError(f"{to.name}: the download is damaged; try again")
            part.replace(to)
        finally:
            with suppress(OSError):
                part.unlink()

    def _fetch(self, url: str, part: Path) -> bool:
        """Downloads to `part`; returns whether it is complete."""
        try:
            with (
                self._http.stream("GET", url, timeout=TIMEOUT_S) as response,
                part.open("wb") as file,
            ):
                raise_if_retryable(response)
                if response.is_error:
                    response.read()
                self._raise_for(response)
                for block in response.iter_bytes():
                    file.write(block)
        except httpx.TransportError as error:
            self._retries.wait(error)
            return False
        self._retries.progress()
        return True

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Sends an idempotent request, with retries until there is a response."""
        while True:
            try:
                response = raise_if_retryable(
                    self._http.request(method, path, timeout=TIMEOUT_S, **options)
                )
            except httpx.TransportError as error:
                self._retries.wait(error)
                continue
            self._raise_for(response)
            self._retries.progress()
            return response

    @staticmethod
    def _raise_for(response: httpx.Response) -> None:
        if response.is_error:
            raise ApiError(reason(response))


def parse_events(lines: Iterator[str]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Parses server-sent events into name, number and data."""
    name, number = "message", 0
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield name, number, orjson.loads(line[6:])


def reason(response: httpx.Response) -> str:
    """The problem's detail, or its field errors one on a line."""
    try:
        problem = response.json()
        faults = [
            f"{each.get('pointer', '')}: {each['detail']}" for each in problem.get("errors", ())
        ]
        return "\n".join(faults) or str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}"
