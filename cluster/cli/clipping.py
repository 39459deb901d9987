"""`mobula clip FILE`: a recording in, finished clips in a folder, with a live bar in between.

It does what any client would: a resumable upload (tus), a transcript beside it, an order of clips,
the job's events, and each clip's files as soon as they are ready.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.cli.screen import console, fail, plain, say

PIECE = 8 << 20
TUS = {"Tus-Resumable": "1.0.0"}
ENDED = ("succeeded", "partial", "failed", "canceled")
SUBTITLES = {".srt": "application/x-subrip", ".vtt": "text/vtt", ".json": "application/json"}


class Refused(Exception):
    """The cluster said no; the text is for the person."""


class Clipping:
    """One recording's way through the API."""

    def __init__(self, http: httpx.Client, out: Path) -> None:
        self._http = http
        self._out = out
        self._fetched: set[int] = set()

    def run(self, file: Path, transcript: Path | None, options: dict[str, Any]) -> int:
        columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            bar = progress.add_task("uploading", total=100.0)
            video = self._upload(file, lambda share: progress.update(bar, completed=100 * share))
            if transcript is not None:
                self._put_transcript(video, transcript)
            job = self._order(video, options)
            progress.update(bar, description="queued", completed=0.0)
            for name, data in self._events(job):
                if name == "progress":
                    progress.update(bar, description=data["stage"], completed=data["percent"])
                elif name == "part" and data.get("state") == "ready":
                    self._fetch(job)
        return self._ended(job)

    def _upload(self, file: Path, told: Any) -> str:
        size = file.stat().st_size
        name = base64.b64encode(file.name.encode()).decode()
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
        made = self._ask("POST", "/api/v1/uploads", headers=headers)
        place, offset = made.headers["Location"], 0
        piece = {**TUS, "Content-Type": "application/offset+octet-stream"}
        with file.open("rb") as bytes_:
            while offset < size:
                block = bytes_.read(PIECE)
                at = {**piece, "Upload-Offset": str(offset)}
                answer = self._ask("PATCH", place, headers=at, content=block)
                offset = int(answer.headers["Upload-Offset"])
                told(offset / size)
        upload = self._ask("GET", place).json()
        return str(upload["video"])

    def _put_transcript(self, video: str, transcript: Path) -> None:
        kind = SUBTITLES.get(transcript.suffix.lower())
        if kind is None:
            raise Refused(f"{transcript.name}: a transcript is a .srt, .vtt or .json file")
        path = f"/api/v1/videos/{video}/transcript"
        headers = {"Content-Type": kind}
        self._ask("PUT", path, headers=headers, content=transcript.read_bytes())

    def _order(self, video: str, options: dict[str, Any]) -> str:
        answer = self._ask("POST", f"/api/v1/videos/{video}/clips", json=options)
        job = str(answer.json()["id"])
        plain(f"video {video}, job {job}")
        return job

    def _events(self, job: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Until the job ends; taken up again where a stream breaks off."""
        seen, over = 0, False
        while not over:
            path = f"/api/v1/jobs/{job}/events"
            with self._http.stream("GET", path, params={"after": seen}, timeout=60) as answer:
                if answer.status_code == 204:
                    return
                if answer.is_error:
                    answer.read()
                    raise Refused(_why(answer))
                for name, number, data in _parsed(answer.iter_lines()):
                    seen = number or seen
                    yield name, data
                    over = over or name in ENDED

    def _fetch(self, job: str) -> None:
        """The files of clips that became ready."""
        for clip in self._ask("GET", f"/api/v1/jobs/{job}/clips").json()["data"]:
            if clip["state"] == "ready" and clip["number"] not in self._fetched:
                self._fetched.add(clip["number"])
                names = [self._save(clip["number"], file) for file in clip["files"]]
                title = (clip["text"] or {}).get("title") or clip["excerpt"]
                at = f"{clip['start']:.1f}-{clip['end']:.1f} s, score {clip['score']:.2f}"
                say(f"[bold]{clip['number']}[/] {at}")
                plain(f"  {title[:90]}\n  {'  '.join(names)}")

    def _save(self, number: int, file: dict[str, Any]) -> str:
        endings = {"video": ".mp4", "thumbnail": ".jpg", "srt": ".srt", "vtt": ".vtt"}
        aspect = (file.get("aspect") or "").replace(":", "x")
        name = "-".join(part for part in (f"clip{number:02d}", aspect) if part)
        path = self._out / f"{name}{endings[file['kind']]}"
        with self._http.stream("GET", file["url"]) as answer:
            answer.raise_for_status()
            with path.open("wb") as saved:
                for block in answer.iter_bytes():
                    saved.write(block)
        return path.name

    def _ended(self, job: str) -> int:
        found = self._ask("GET", f"/api/v1/jobs/{job}").json()
        self._fetch(job)
        if found["state"] in ("failed", "canceled"):
            return fail(f"{found['state']}: {(found['problem'] or {}).get('detail', '')}")
        took = found["ended"] - found["started"]
        plain(f"{len(self._fetched)} clips in {took:.1f} s, in {self._out}")
        return 0

    def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        answer = self._http.request(method, path, timeout=120, **how)
        if answer.is_error:
            raise Refused(_why(answer))
        return answer


def run(
    file: Path, transcript: Path | None, out: Path, key: str | None, options: dict[str, Any]
) -> int:
    """Exit code 0 if there are clips."""
    from cluster.cli.api import connect

    if not file.is_file():
        return fail(f"{file} is not a file")
    out.mkdir(parents=True, exist_ok=True)
    try:
        with connect(key) as http:
            return Clipping(http, out).run(file, transcript, options)
    except Refused as refused:
        return fail(str(refused))
    except httpx.HTTPError as error:
        return fail(f"the cluster does not answer: {error}")


def _parsed(lines: Iterator[str]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    name, number = "message", 0
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield name, number, orjson.loads(line[6:])


def _why(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError):
        return f"HTTP {answer.status_code}"
