"""Recordings, jobs and clips over the HTTP API, for commands that outlast a broken connection.

Flows in: files and options. Flows out: ids, events, and downloaded files. Uploads (tus), event
streams and downloads carry on where they stopped; what a person did wrong is `ApiError`, a cluster
that stays away is httpx.TransportError.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson

from cluster.cli.retries import Retries, Unanswered, check

CHUNK = 8 << 20
TIMEOUT_S = 120.0
EVENTS_TIMEOUT_S = 60.0  # the stream says something every 15 s
TUS = {"Tus-Resumable": "1.0.0"}
ENDED = ("succeeded", "partial", "failed", "canceled")
TRANSCRIPTS = {
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".json": "application/json",
    ".jsonl": "application/json",
}

Share = Callable[[float], None]
Event = tuple[str, dict[str, Any]]


class ApiError(Exception):
    """The cluster said no; the text is for the person."""


class MediaClient:
    """`http` knows the cluster's address and key."""

    def __init__(self, http: httpx.Client, retries: Retries) -> None:
        self._http = http
        self._retries = retries

    def upload(self, file: Path, report: Share) -> str:
        """The new video's id. `report` gets the share that has arrived, from 0 to 1."""
        size = file.stat().st_size
        name = base64.b64encode(file.name.encode()).decode()
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
        # A creation whose answer was lost leaves an empty upload, which expires.
        location = self.request("POST", "/api/v1/uploads", headers=headers).headers["Location"]
        with file.open("rb") as source:
            offset = 0
            while offset < size:
                offset = self._append(location, source.seek(offset), source.read(CHUNK))
                report(offset / size)
        # The last chunk may have arrived without being checked: an empty one finishes it.
        upload = self.request("GET", location).json()
        if not upload.get("video"):
            self._append(location, size, b"")
            upload = self.request("GET", location).json()
        return str(upload["video"])

    def _append(self, location: str, offset: int, chunk: bytes) -> int:
        """The offset after `chunk`, or wherever the server is by now."""
        headers = {**TUS, "Content-Type": "application/offset+octet-stream"}
        headers["Upload-Offset"] = str(offset)
        try:
            answer = check(
                self._http.patch(location, headers=headers, content=chunk, timeout=TIMEOUT_S)
            )
            if answer.status_code == 409:  # an earlier try arrived after all
                raise Unanswered(409)
        except httpx.TransportError as error:
            self._retries.wait(error)
            return self._arrived(location)
        self._raise_for(answer)
        self._retries.progress()
        return int(answer.headers["Upload-Offset"])

    def _arrived(self, location: str) -> int:
        return int(self.request("HEAD", location, headers=TUS).headers["Upload-Offset"])

    def put_transcript(self, video: str, file: Path) -> dict[str, Any]:
        kind = TRANSCRIPTS.get(file.suffix.lower())
        if kind is None:
            raise ApiError(f"{file.name}: a transcript is a .srt, .vtt, .json or .jsonl file")
        path, headers = f"/api/v1/videos/{video}/transcript", {"Content-Type": kind}
        answer: dict[str, Any] = self.request(
            "PUT", path, headers=headers, content=file.read_bytes()
        ).json()
        return answer

    def order_clips(self, video: str, options: dict[str, Any], once: str) -> dict[str, Any]:
        """The job. `once` is an Idempotency-Key: a repeated order makes no second job."""
        path, headers = f"/api/v1/videos/{video}/clips", {"Idempotency-Key": once}
        job: dict[str, Any] = self.request("POST", path, json=options, headers=headers).json()
        return job

    def events(self, job: str) -> Iterator[Event]:
        """Every event of the job until it has ended, each once, whatever breaks meanwhile."""
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
        with self._http.stream("GET", path, params=query, timeout=EVENTS_TIMEOUT_S) as answer:
            check(answer)
            if answer.is_error:
                answer.read()
            self._raise_for(answer)
            yield from parse_events(answer.iter_lines())

    def job(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.request("GET", f"/api/v1/jobs/{job}").json()
        return found

    def clips(self, job: str) -> list[dict[str, Any]]:
        """The clips as they are now, with links that are good for an hour."""
        found: list[dict[str, Any]] = self.request("GET", f"/api/v1/jobs/{job}/clips").json()[
            "data"
        ]
        return found

    def download(self, url: str, to: Path, sha256: str) -> None:
        """Whole or not at all: written beside `to`, compared with `sha256`, then renamed.

        Raises Refused where the bytes are not those that the cluster has stored.
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
        """Whether all of it came."""
        try:
            with (
                self._http.stream("GET", url, timeout=TIMEOUT_S) as answer,
                part.open("wb") as file,
            ):
                check(answer)
                if answer.is_error:
                    answer.read()
                self._raise_for(answer)
                for block in answer.iter_bytes():
                    file.write(block)
        except httpx.TransportError as error:
            self._retries.wait(error)
            return False
        self._retries.progress()
        return True

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Repeated until it is answered; only for requests that may be repeated."""
        while True:
            try:
                answer = check(self._http.request(method, path, timeout=TIMEOUT_S, **options))
            except httpx.TransportError as error:
                self._retries.wait(error)
                continue
            self._raise_for(answer)
            self._retries.progress()
            return answer

    @staticmethod
    def _raise_for(answer: httpx.Response) -> None:
        if answer.is_error:
            raise ApiError(reason(answer))


def parse_events(lines: Iterator[str]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Server-sent events as name, number and data."""
    name, number = "message", 0
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield name, number, orjson.loads(line[6:])


def reason(answer: httpx.Response) -> str:
    """What the problem says, each fault on a line of its own."""
    try:
        problem = answer.json()
        faults = [
            f"{each.get('pointer', '')}: {each['detail']}" for each in problem.get("errors", ())
        ]
        return "\n".join(faults) or str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
