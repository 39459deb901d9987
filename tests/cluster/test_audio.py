"""Recordings on a real cluster: over a link, in confined children, through the death of the only
replica of Media, and as a job."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.process_kinds import group_by_kind
from tests.media_fixtures.tones import tone

TRANSCRIPTIONS, ANALYSES = "/v1/audio/transcriptions", "/api/v1/audio"


def media_processes(cluster: LocalServe) -> list[int]:
    return [process.pid for process in group_by_kind(cluster.processes()).get("Media", ())]


def recording(folder: Path, seconds: float) -> bytes:
    return tone(folder / "tone.wav", seconds, -23.0).read_bytes()


async def send(
    client: httpx.AsyncClient, path: str, content: bytes, **fields: str
) -> httpx.Response:
    files = {"file": ("tone.mp3", content)}
    return await client.post(path, files=files, data=fields, timeout=120)


async def test_recordings_are_heard_also_while_the_replica_is_killed(
    cluster: LocalServe, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = recording(tmp_path, 6.0)
    first = (await send(client, TRANSCRIPTIONS, file)).raise_for_status().json()
    [killed] = media_processes(cluster)

    call = asyncio.create_task(send(client, TRANSCRIPTIONS, file, response_format="verbose_json"))
    os.kill(killed, signal.SIGKILL)
    again = await call
    ordered = await send(client, ANALYSES, recording(tmp_path, 70.0))
    job = ordered.json()
    async with asyncio.timeout(120):
        while job["state"] in ("queued", "running"):
            wait = {"Prefer": "wait=5"}
            job = (await client.get(f"/api/v1/jobs/{job['id']}", headers=wait)).json()
    found: dict[str, Any] = (await client.get(f"{ANALYSES}/{job['id']}")).json()

    assert (first["text"], first["usage"]["seconds"]) == ("", 6)
    assert (again.status_code, again.json()["duration"]) == (200, 6.0)
    assert (ordered.status_code, job["state"]) == (202, "succeeded")
    assert abs(found["loudness"]["integrated_lufs"] + 23) < 0.5
    assert found["transcript"]["text"] == ""
