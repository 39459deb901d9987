"""Calls for recordings: uploads, clips, analysis of what is heard."""

import base64
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobula_client.attempts import Attempts, Call, Pause
from mobula_client.problems import DeadlineExceeded, Unavailable, problem_in
from mobula_client.responses import ENDED

CHUNK_BYTES = 8 << 20
AUDIO = "/api/v1/audio"
TUS = {"Tus-Resumable": "1.0.0"}


class MediaCalls(Attempts):
    """What `Calls` does with recordings."""

    def clip(self, video: str, wait: bool, body: Mapping[str, Any]) -> Call[dict[str, Any]]:
        """The job, with `clips` once it has ended. Under one key there is one job."""
        key = self.options.idempotency_key or uuid.uuid4().hex
        path = f"/api/v1/videos/{video}/clips"
        response = yield from self.attempts("POST", path, body, idempotency_key=key)
        job = dict(response.json())
        if not wait:
            return job
        while job["state"] not in ENDED:
            job = yield from self.poll(f"/api/v1/jobs/{job['id']}")
        response = yield from self.attempts("GET", f"/api/v1/jobs/{job['id']}/clips")
        job.pop("parts", None)
        return {**job, "clips": response.json()["data"]}

    def analyze_audio(
        self, source: Mapping[str, Any], wait: bool, options: Mapping[str, Any]
    ) -> Call[dict[str, Any]]:
        """The analysis, or the job where nobody waits for it. Under one key it is made once."""
        key = self.options.idempotency_key or uuid.uuid4().hex
        body = {**source, **options}
        response = yield from self.attempts("POST", AUDIO, body, idempotency_key=key)
        return (yield from self._analysis(dict(response.json()), wait))

    def transcribe(
        self, file: Path, wait: bool, options: Mapping[str, Any]
    ) -> Call[dict[str, Any]]:
        """The same for a file of this machine, which is sent in a form."""
        fields = {name: value for name, value in options.items() if value is not None}
        response = yield from self.send_form(AUDIO, file, fields)
        return (yield from self._analysis(dict(response.json()), wait))

    def _analysis(self, answer: dict[str, Any], wait: bool) -> Call[dict[str, Any]]:
        if answer["object"] != "job" or not wait:
            return answer
        while answer["state"] not in ENDED:
            answer = yield from self.poll(f"/api/v1/jobs/{answer['id']}")
        if answer["problem"] is not None:
            raise problem_in(answer["problem"])
        response = yield from self.attempts("GET", f"{AUDIO}/{answer['id']}")
        return dict(response.json())

    def upload(self, file: Path) -> Call[str]:
        """The id of the video made of a file, sent by tus: what arrived is not sent again."""
        size, name = file.stat().st_size, base64.b64encode(file.name.encode()).decode()
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
        created = yield from self.attempts("POST", "/api/v1/uploads", headers=headers)
        location = str(created.headers["Location"])
        offset, failures = 0, 0
        with file.open("rb") as source:
            while offset < size:
                source.seek(offset)
                try:
                    offset = yield from self._append(location, offset, source.read(CHUNK_BYTES))
                    failures = 0
                except (Unavailable, DeadlineExceeded):
                    if failures == self.options.max_retries:
                        raise
                    failures += 1
                    yield Pause(0.25 * 2**failures)
                    response = yield from self.attempts("GET", location)
                    offset = int(response.json()["received"])
        while True:
            response = yield from self.attempts("GET", location)
            upload = response.json()
            if upload["problem"] is not None:
                raise problem_in(upload["problem"])
            if upload["video"] is not None:
                return str(upload["video"])
            yield from self._append(location, size, b"")  # has the server check what arrived

    def _append(self, location: str, offset: int, chunk: bytes) -> Call[int]:
        fields = {**self._headers(None), **TUS, "Upload-Offset": str(offset)}
        fields["Content-Type"] = "application/offset+octet-stream"
        request = self._request("PATCH", location, chunk, fields, self.options.timeout_s)
        response = yield from self._attempt(request)
        return int(response.headers["Upload-Offset"])
