"""Jobs of clips on a cluster that loses a node: ordered over HTTP, watched until they end.

Flows in: a URL, a key, a folder for the recording. Flows out: how each job ended.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from load_tests import synthetic_recording

ENDED = ("succeeded", "partial", "failed", "canceled")
ORDER = {"quality": "draft", "texts": False, "min_s": 3, "max_s": 5, "count": 2}
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class JobResult:
    """One job: how it ended, at which attempt, and when."""

    state: str
    attempts: int
    at: float


class ClipJobs:
    """`url` is the proxy of a node that stays."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)

    def order(self, folder: Path, count: int, seconds: int) -> list[str]:
        """Ids of so many jobs, each of a recording that long."""
        file = folder / "talk.mp4"
        synthetic_recording.write_recording(file, seconds, 320, 180, fps=25)
        form = {"file": (file.name, file.read_bytes(), "video/mp4")}
        video = self._checked(self._http.post("/api/v1/videos", files=form))["id"]
        path = f"/api/v1/videos/{video}/clips"
        return [self._checked(self._http.post(path, json=ORDER))["id"] for _ in range(count)]

    def wait_until_running(self, jobs: Sequence[str], patience_s: float = 60.0) -> None:
        """Until one of them runs; TimeoutError."""
        until = time.monotonic() + patience_s
        while all(self._state(job).get("state") != "running" for job in jobs):
            if time.monotonic() > until:
                raise TimeoutError("no job was begun")
            time.sleep(POLL_S)

    def wait_for_results(self, jobs: Sequence[str], patience_s: float = 180.0) -> list[JobResult]:
        """How they ended, as far as they did in time."""
        until, results = time.monotonic() + patience_s, dict[str, JobResult]()
        while len(results) < len(jobs) and time.monotonic() < until:
            for job in [job for job in jobs if job not in results]:
                job_state = self._state(job)
                if job_state.get("state") in ENDED:
                    results[job] = JobResult(
                        job_state["state"], job_state["attempts"], time.monotonic()
                    )
            time.sleep(POLL_S)
        return list(results.values())

    def _state(self, job: str) -> dict[str, Any]:
        """Empty where nobody answers."""
        with suppress(httpx.HTTPError):
            return self._checked(self._http.get(f"/api/v1/jobs/{job}"))
        return {}

    @staticmethod
    def _checked(answer: httpx.Response) -> dict[str, Any]:
        answer.raise_for_status()
        return dict(answer.json())
