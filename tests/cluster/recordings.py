"""A tenant's way with recordings over HTTP, and what that leaves on the machine.

Flows in: a client and a tenant's headers. Flows out: ids, answers, events as they come, and the
processes that work in a folder.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from deployments.speech.engine import RESIDENTS
from load_tests import synthetic_recording
from tests.cluster.polling import eventually

ENDED = ("succeeded", "partial", "failed", "canceled")
QUICK = {"quality": "draft", "texts": False, "min_s": 3, "max_s": 5}

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Talk:
    """A recording of 320x180, and its SubRip transcript."""

    file: Path
    seconds: int
    transcript: str

    @classmethod
    def made_in(cls, folder: Path, seconds: int, seed: int = 0) -> "Talk":
        file = folder / f"talk-{seconds}-{seed}.mp4"
        synthetic_recording.write_recording(file, seconds, 320, 180, seed, fps=25)
        return cls(file, seconds, synthetic_recording.build_transcript(seconds, seed))


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    seq: int
    kind: str
    data: dict[str, Any]


async def bring(client: httpx.AsyncClient, headers: Headers, of: Talk, *, heard: bool) -> str:
    """The id of the video that a form with the recording becomes; with its transcript if `heard`.

    Without one every frame of it is analysed.
    """
    form = {"file": (of.file.name, of.file.read_bytes(), "video/mp4")}
    if heard:
        form["transcript"] = (
            "talk.srt",
            of.transcript.encode(),
            "application/x-subrip",
        )
    made = await client.post("/api/v1/videos", files=form, headers=headers)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def order(client: httpx.AsyncClient, headers: Headers, video: str, **options: Any) -> str:
    """The id of the job that is accepted."""
    path = f"/api/v1/videos/{video}/clips"
    answer = await client.post(path, json={**QUICK, **options}, headers=headers)
    assert answer.status_code == 202, answer.text
    job = str(answer.json()["id"])
    assert answer.headers["location"] == f"/api/v1/jobs/{job}"
    return job


async def follow(
    client: httpx.AsyncClient, headers: Headers, job: str, after: int | None = None
) -> AsyncIterator[Event]:
    """Events as they come; `after` is sent as a browser does that reconnects."""
    resume_headers = {} if after is None else {"Last-Event-ID": str(after)}
    path = f"/api/v1/jobs/{job}/events"
    async with client.stream(
        "GET", path, headers={**headers, **resume_headers}, timeout=120
    ) as answer:
        assert answer.status_code == 200, await answer.aread()
        seq, kind = 0, ""
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                seq = int(line[4:])
            elif line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                yield Event(seq, kind, json.loads(line[6:]))


async def clips(client: httpx.AsyncClient, headers: Headers, job: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/api/v1/jobs/{job}/clips", headers=headers)
    answer.raise_for_status()
    return list(answer.json()["data"])


async def ended(
    client: httpx.AsyncClient,
    headers: Headers,
    job: str,
    timeout_s: float = 60.0,
    *,
    patient: bool = False,
) -> dict[str, Any]:
    """The job once it has ended; who is `patient` asks again where nobody answers."""
    found: dict[str, Any] = {"state": ""}

    async def over() -> bool:
        with contextlib.suppress(*([httpx.HTTPError] if patient else [])):
            answer = await client.get(f"/api/v1/jobs/{job}", headers=headers)
            answer.raise_for_status()
            found.update(answer.json())
        return found["state"] in ENDED

    await eventually(over, timeout_s)
    return found


async def video_seconds(client: httpx.AsyncClient, headers: Headers) -> list[int]:
    """What the usage report says of them, row by row."""
    answer = await client.get("/api/v1/usage?group_by=model", headers=headers)
    answer.raise_for_status()
    amounts = [row["amounts"] for row in answer.json()["data"]]
    return [row["video_seconds"] for row in amounts if row.get("video_seconds")]


def working_in(folder: Path) -> list[psutil.Process]:
    """Processes whose working folder is `folder` or lies in it: sandboxed children do. Without the
    idle child that recognises speech."""
    found, residents = [], folder.resolve() / RESIDENTS
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            cwd = Path(process.cwd())
            if cwd.is_relative_to(folder.resolve()) and not cwd.is_relative_to(residents):
                found.append(process)
    return found


def work_folders(home: Path) -> list[Path]:
    """Private folders that are there."""
    return sorted((home / "scratch").glob("work-*"))
