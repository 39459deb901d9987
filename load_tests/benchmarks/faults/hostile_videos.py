"""Clips of a short recording with transcripts that are hard to read: for the Clipper's event loop.

Flows in: a client of a running application and its key. Flows out: how each job ended.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from load_tests import synthetic_recording

SECONDS = 24
POLL_S, LIMIT_S = 0.5, 300.0
_CUE = "1\n00:00:01,000 --> 00:00:20,000\n"


def _json_words(count: int) -> str:
    words = [{"word": "w", "start": n % 20 + 0.5, "end": n % 20 + 0.9} for n in range(count)]
    return json.dumps({"words": words})


# By the kind of file, what a transcript of about so many bytes consists of.
ORDINARY = "ordinary words"  # the first job, for which a Clipper loads what it needs
TRANSCRIPTS: dict[str, tuple[str, Callable[[int], str]]] = {
    ORDINARY: ("srt", lambda size: _CUE + "The water has to be fresh and not too hot."),
    "words without an end": ("srt", lambda size: _CUE + "word " * (size // 5)),
    "one word": ("srt", lambda size: _CUE + "a" * size),
    "override tags": ("srt", lambda size: _CUE + "{\\" * (size // 2)),
    "line breaks": ("srt", lambda size: _CUE + "\\N " * (size // 3)),
    "sentence ends": ("srt", lambda size: _CUE + "!. " * (size // 3)),
    "combining marks": ("srt", lambda size: _CUE + "a" + "\u0301" * (size // 2)),
    "words of JSON": ("json", lambda size: _json_words(size // 36)),
}


async def clip_all(
    client: httpx.AsyncClient, key: str, transcript_bytes: int
) -> AsyncIterator[tuple[str, str]]:
    """Kind and state of each job; `refused` where the transcript was not taken."""
    headers = {"Authorization": f"Bearer {key}"}
    with TemporaryDirectory() as folder:
        recording = Path(folder) / "talk.mp4"
        await asyncio.to_thread(synthetic_recording.write_recording, recording, SECONDS, 320, 180)
        content = await asyncio.to_thread(recording.read_bytes)
    for name, (kind, made) in TRANSCRIPTS.items():
        files = {
            "file": ("talk.mp4", content, "video/mp4"),
            "transcript": (f"talk.{kind}", made(transcript_bytes).encode(), "text/plain"),
        }
        answer = await client.post("/api/v1/videos", files=files, headers=headers)
        if answer.is_error:
            yield name, f"refused ({answer.status_code})"
            continue
        order = {"count": 1, "min_s": 5, "max_s": 20, "quality": "draft"}
        path = f"/api/v1/videos/{answer.json()['id']}/clips"
        job = (await client.post(path, json=order, headers=headers)).raise_for_status().json()
        yield name, await _ended(client, headers, job["id"])


async def _ended(client: httpx.AsyncClient, headers: dict[str, str], job: str) -> str:
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        answer = await client.get(f"/api/v1/jobs/{job}", headers=headers)
        state = str(answer.raise_for_status().json()["state"])
        if state not in ("queued", "running"):
            return state
        await asyncio.sleep(POLL_S)
    return "not ended"
