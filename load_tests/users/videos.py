"""Users who bring a recording and order clips of it; the recording is made once, before the load.

The cluster must make clips (`video` in its configuration).
"""

import base64
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from locust import between, task

from load_tests import synthetic_recording
from load_tests.users.tenant_user import TenantUser

SECONDS, WIDTH, HEIGHT = 12, 320, 180
ORDER = {"count": 1, "min_s": 3, "max_s": 6, "quality": "draft", "framing": "fit"}
TUS = {"Tus-Resumable": "1.0.0"}
PART_HEADERS = {**TUS, "Content-Type": "application/offset+octet-stream"}
ENDED = ("succeeded", "partial", "failed", "canceled")
PATIENCE_S, POLL_S = 120.0, 0.5


@cache
def recording() -> tuple[bytes, bytes]:
    """A short talk and what is said in it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "talk.mp4"
        synthetic_recording.write_recording(file, SECONDS, WIDTH, HEIGHT)
        return file.read_bytes(), synthetic_recording.build_transcript(SECONDS).encode()


class VideoUser(TenantUser):
    """Uploads by form or in parts, orders a clip, follows the job, downloads, tidies up."""

    wait_time = between(2.0, 5.0)

    @task(2)
    def by_form(self) -> None:
        video, transcript = recording()
        files = {
            "file": ("talk.mp4", video),
            "transcript": ("talk.srt", transcript),
        }
        answer = self.client.post(
            "/api/v1/videos", files=files, headers=self.headers, name="video by form"
        )
        if answer.status_code in (200, 201):
            self._clip(answer.json()["id"])

    @task(1)
    def in_parts(self) -> None:
        """By tus: an upload in two parts, and what was stored after the first."""
        video, _ = recording()
        name = base64.b64encode(b"talk.mp4").decode()
        upload_headers = {"Upload-Length": str(len(video)), "Upload-Metadata": f"filename {name}"}
        begun = self.client.post(
            "/api/v1/uploads", headers={**self.headers, **TUS, **upload_headers}, name="upload"
        )
        if begun.status_code != 201 or begun.headers is None:
            return
        location, half = str(begun.headers["location"]), len(video) // 2
        sent = self._send_part(location, 0, video[:half])
        self.client.head(location, headers={**self.headers, **TUS}, name="upload, how far")
        sent = self._send_part(location, half, video[half:])
        if made := (sent.headers or {}).get("mobula-video"):
            self._forget(made)

    def _send_part(self, location: str, offset: int, part: bytes) -> Any:
        headers = {**self.headers, **PART_HEADERS, "Upload-Offset": str(offset)}
        data: Any = part  # locust has no type for bytes
        return self.client.patch(location, headers=headers, data=data, name="upload, a part")

    def _clip(self, video: str) -> None:
        order = self.client.post(
            f"/api/v1/videos/{video}/clips", json=ORDER, headers=self.headers, name="order clips"
        )
        if order.status_code in (200, 201, 202):
            self._follow(order.json()["id"])
        self._forget(video)

    def _follow(self, job: str) -> None:
        """The whole job counts as one request, `job of one clip`."""
        began, state = time.perf_counter(), ""
        while state not in ENDED and time.perf_counter() - began < PATIENCE_S:
            time.sleep(POLL_S)  # gevent's: other users go on
            state = str((self.read("job", f"/api/v1/jobs/{job}") or {}).get("state"))
        good = state in ("succeeded", "partial")
        self.environment.events.request.fire(
            request_type="JOB",
            name="job of one clip",
            response_time=(time.perf_counter() - began) * 1000,
            response_length=0,
            exception=None if good else RuntimeError(f"the job {state}"),
            context={},
        )
        clips = self.read("clips", f"/api/v1/jobs/{job}/clips") or {"data": []}
        for file in [file for clip in clips["data"] for file in clip["files"]][:1]:
            self.client.get(file["url"], name="download")

    def _forget(self, video: str) -> None:
        self.client.delete(f"/api/v1/videos/{video}", headers=self.headers, name="delete a video")
