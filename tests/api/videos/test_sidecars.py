"""Transcripts that are put beside a video."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.video.catalog import GRACE_S
from deployments.video.sidecar import MEDIA_TYPES
from deployments.video.transcript import read_transcript
from tests.api.videos.media_world import World, film, opened
from tests.api.videos.video_forms import JSON, SRT, VIDEOS, VTT, bring
from tests.api.web import MakeServices
from tests.unit.video.transcript.hostile import FOUND

HELD_S = 0.02  # of CPU that one step of the loop may take


@pytest.mark.parametrize(
    ("content_type", "data", "kind"),
    [
        ("application/x-subrip", SRT, "srt"),
        ("text/vtt; charset=utf-8", VTT, "vtt"),
        ("application/json", JSON, "json"),
        ("text/plain", SRT, "srt"),
        ("application/octet-stream", "\ufeff" + VTT, "vtt"),
        ("", JSON, "json"),
    ],
)
async def test_a_transcript_is_kept_with_its_kind(
    client: httpx.AsyncClient, world: World, content_type: str, data: str, kind: str
) -> None:
    video = await bring(client)
    at = f"{VIDEOS}/{video['id']}"
    answer = await client.put(
        f"{at}/transcript", content=data, headers={"Content-Type": content_type}
    )

    assert answer.status_code == 200
    assert answer.json()["transcript"]["kind"] == kind
    assert answer.json()["transcript"]["bytes"] == len(data.encode())
    assert answer.json()["media"] == video["media"]
    assert (await client.get(at)).json() == answer.json()
    kept = await world.media.files.stat("acme", f"videos/{video['id']}/transcript")
    assert kept.expires == video["expires"] + GRACE_S


async def test_a_transcript_that_cannot_be_read_changes_nothing(client: httpx.AsyncClient) -> None:
    at = f"{VIDEOS}/{(await bring(client))['id']}"
    good = {"Content-Type": "text/srt"}
    await client.put(f"{at}/transcript", content=SRT, headers=good)
    before = (await client.get(at)).json()

    for content, headers, status in (
        (b"bad", good, 422), (b"", good, 422), (SRT, {"Content-Type": "video/mp4"}, 415),
        (b"x" * ((5 << 20) + 1), good, 413),
    ):  # fmt: skip
        answer = await client.put(f"{at}/transcript", content=content, headers=headers)
        assert answer.status_code == status
    assert (await client.get(at)).json() == before


LATE = "1\n00:04:10,000 --> 00:04:11,000\nToo late\n"


async def test_the_answer_says_how_a_transcript_was_read(client: httpx.AsyncClient) -> None:
    at = f"{VIDEOS}/{(await bring(client))['id']}/transcript"
    text = "1\n00:00:00 --> 00:00:01\nПривет, мир\n\n2\n0:x --> 0:1\nlost\n".encode("cp1251")

    answer = await client.put(at, content=text, headers={"Content-Type": "text/srt"})

    said = answer.json()["transcript"]
    assert (said["encoding"], said["words"]) == ("windows-1251", 2)
    assert any("1 line left out" in note for note in said["notes"])
    assert said["undrawn_scripts"] == []


async def test_a_transcript_of_another_recording_is_refused_with_both_times(
    client: httpx.AsyncClient,
) -> None:
    at = f"{VIDEOS}/{(await bring(client, film(58.0)))['id']}/transcript"
    answer = await client.put(at, content=LATE, headers={"Content-Type": "text/srt"})

    assert answer.status_code == 422
    assert "begins at 250 s, the recording ends at 58 s" in answer.json()["detail"]


async def test_a_form_with_a_transcript_of_another_recording_leaves_nothing(
    client: httpx.AsyncClient, world: World
) -> None:
    files: dict[str, Any] = {
        "file": ("talk.mp4", film(58.0), "video/mp4"),
        "transcript": ("talk.srt", LATE, "text/srt"),
    }
    answer = await client.post(VIDEOS, files=files)

    assert answer.status_code == 422
    assert (await client.get(VIDEOS)).json()["data"] == []
    assert await world.stored() == 0


async def test_milliseconds_in_a_form_are_read_once_the_recording_s_length_is_known(
    client: httpx.AsyncClient,
) -> None:
    words = '{"words": [{"word": "hi", "start": 250, "end": 40650}]}'
    video = await bring(client, film(58.0), transcript=("talk.json", words, "application/json"))
    assert any("milliseconds" in note for note in video["transcript"]["notes"])


@contextmanager
def longest_step() -> Iterator[list[float]]:
    """CPU seconds of the longest step that the loop takes within the block."""
    longest, run = [0.0], asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        longest[0] = max(longest[0], time.thread_time() - began)

    asyncio.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield longest
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]


@pytest.mark.parametrize("size", [256 << 10, pytest.param(1 << 20, marks=pytest.mark.exhaustive)])
async def test_no_transcript_holds_up_the_others(
    make_services: MakeServices, tmp_path: Path, size: int
) -> None:
    """It is read by another process: neither the loop nor a thread of this one takes its time."""
    async with (
        opened(tmp_path, make_services(), reader=read_transcript) as world,
        world.client() as client,
    ):
        at = f"{VIDEOS}/{(await bring(client))['id']}/transcript"
        for kind, made in FOUND.values():
            headers = {"Content-Type": MEDIA_TYPES[kind]}
            began = time.process_time()
            with longest_step() as longest:
                answer = await client.put(at, content=made(size)[:size], headers=headers)
            assert answer.status_code in (200, 422)
            assert longest[0] < HELD_S
            assert time.process_time() - began < 10 * HELD_S
