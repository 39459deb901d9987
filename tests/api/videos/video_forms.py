"""What brings a video by form, and transcripts to go with it."""

from typing import Any

import httpx

from tests.api.videos.media_world import film

VIDEOS = "/api/v1/videos"
JSON = '{"segments": [{"start": 0.0, "end": 1.0, "text": "Hello there"}]}'
VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello there\n"
SRT = "1\n00:00:00,000 --> 00:00:01,000\nHello there\n"


async def bring(client: httpx.AsyncClient, data: bytes = film(), **files: Any) -> dict[str, Any]:
    """A video that a form brought."""
    answer = await client.post(VIDEOS, files={"file": ("talk.mp4", data, "video/mp4"), **files})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{VIDEOS}/{found['id']}"
    return found
