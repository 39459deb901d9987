"""Orders clips of a short synthetic talk."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import httpx

from load_tests import synthetic_recording

TALK_S = 40


def order_clips(http: httpx.Client, folder: Path, order: Mapping[str, Any]) -> str:
    """Uploads the talk, which is drawn once in `folder`, and orders; the path of the job that was
    accepted. Raises httpx.HTTPError, CalledProcessError."""
    video = folder / "talk.mp4"
    if not video.exists():
        synthetic_recording.write_recording(video, TALK_S, 320, 180, fps=15)
    with video.open("rb") as file:
        files: dict[str, tuple[str, IO[bytes] | str]] = {
            "file": (video.name, file),
            "transcript": ("t.srt", synthetic_recording.build_transcript(TALK_S)),
        }
        made = http.post("/api/v1/videos", files=files).raise_for_status()
    job = http.post(f"/api/v1/videos/{made.json()['id']}/clips", json=order).raise_for_status()
    return f"/api/v1/jobs/{job.json()['id']}"
