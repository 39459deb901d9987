"""`mobula clip` and `mobula jobs save` carry on after broken connections and give reasons."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.cli import api, media_client
from cluster.cli import clip as clipping
from cluster.cli.media_client import LIMIT_S, MediaClient, Retries
from cluster.runtime.clock import ManualClock

FILE = b"clip" * 100
JOB = {
    "id": "job1", "state": "succeeded", "percent": 100.0, "started": 1.0, "ended": 3.5,
    "problem": None,
}  # fmt: skip


def clip(number: int, **changes: Any) -> dict[str, Any]:
    file = {
        "kind": "video", "aspect": "9:16", "url": f"/files/{number}",
        "sha256": hashlib.sha256(FILE).hexdigest(), "report": {"problems": []},
    }  # fmt: skip
    made = {
        "number": number, "state": "ready", "start": 1.0, "end": 9.0, "score": 0.5, "text": None,
        "excerpt": f"excerpt {number}", "captions": {"style": "karaoke", "why": ""},
        "partial": False, "files": [file], "problem": None,
    }  # fmt: skip
    return {**made, **changes}


class FakeCluster:
    """Takes an upload, runs a job, gives clips. `break_at` names requests whose connection breaks
    (once each), after the server has done its part or before."""

    def __init__(self) -> None:
        self.stored = b""
        self.length = 0
        self.job = dict(JOB)
        self.clips = [clip(1), clip(2)]
        self.break_before: list[str] = []
        self.break_after: list[str] = []
        self.orders: list[str] = []
        self.events = [("queued", {}), ("part", {"state": "ready"}), ("succeeded", {})]
        self.cut_events_after: list[int] = []
        self.asked_events: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = f"{request.method} {request.url.path}"
        if name in self.break_before:
            self.break_before.remove(name)
            raise httpx.ReadError("peer closed connection")
        answer = self._answer(name, request)
        if name in self.break_after:
            self.break_after.remove(name)
            raise httpx.ReadError("peer closed connection")
        return answer

    def _answer(self, name: str, request: httpx.Request) -> httpx.Response:
        answers: dict[str, Callable[[httpx.Request], httpx.Response]] = {
            "POST /api/v1/uploads": self._create,
            "HEAD /api/v1/uploads/u1": self._offset,
            "PATCH /api/v1/uploads/u1": self._append,
            "GET /api/v1/uploads/u1": lambda _: httpx.Response(
                200, json={"video": "v1" if len(self.stored) == self.length else None}
            ),
            "POST /api/v1/videos/v1/clips": self._order,
            "GET /api/v1/jobs/job1/events": self._events,
            "GET /api/v1/jobs/job1": lambda _: httpx.Response(200, json=self.job),
            "GET /api/v1/jobs/job1/clips": lambda _: httpx.Response(200, json={"data": self.clips}),
        }
        if name.startswith("GET /files/"):
            return httpx.Response(200, content=FILE)
        if name not in answers:
            return httpx.Response(404, json={"detail": f"There is no {name}."})
        return answers[name](request)

    def _create(self, request: httpx.Request) -> httpx.Response:
        self.length = int(request.headers["Upload-Length"])
        return httpx.Response(201, headers={"Location": "/api/v1/uploads/u1"})

    def _offset(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Upload-Offset": str(len(self.stored))})

    def _append(self, request: httpx.Request) -> httpx.Response:
        if int(request.headers["Upload-Offset"]) != len(self.stored):
            return httpx.Response(409, json={"detail": "another offset"})
        self.stored += request.content
        return httpx.Response(204, headers={"Upload-Offset": str(len(self.stored))})

    def _order(self, request: httpx.Request) -> httpx.Response:
        self.orders.append(request.headers["Idempotency-Key"])
        return httpx.Response(202, json=self.job)

    def _events(self, request: httpx.Request) -> httpx.Response:
        after = int(request.url.params["after"])
        self.asked_events.append(after)
        until = self.cut_events_after.pop(0) if self.cut_events_after else len(self.events)

        def body() -> Iterator[bytes]:
            for number, (kind, data) in enumerate(self.events, 1):
                if after < number <= until:
                    yield f"event: {kind}\nid: {number}\ndata: {json.dumps(data)}\n\n".encode()
            if until < len(self.events):
                raise httpx.RemoteProtocolError("incomplete chunked read")

        return httpx.Response(200, content=body())


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """What the commands reach; they pause on a clock of their own."""
    fake, time = FakeCluster(), ManualClock(monotonic=0.0)
    monkeypatch.setattr(media_client, "CHUNK", 1000)

    def connect(key: str | None) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(fake), base_url="http://cluster")

    monkeypatch.setattr(api, "connect", connect)
    monkeypatch.setattr(
        clipping, "Retries", lambda say: Retries(say, clock=time, sleep=time.advance)
    )
    return fake


@pytest.fixture
def run(cluster: FakeCluster, tmp_path: Path) -> Callable[[], int]:
    recording = tmp_path / "talk.mp4"
    recording.write_bytes(bytes(range(256)) * 10)

    return lambda: clipping.run(recording, None, tmp_path / "clips", None, {"count": 2})


def saved(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "clips").iterdir())


def test_clips_are_saved_whole(run: Callable[[], int], tmp_path: Path) -> None:
    assert run() == 0
    assert saved(tmp_path) == ["clip01-9x16.mp4", "clip02-9x16.mp4"]
    assert (tmp_path / "clips" / "clip01-9x16.mp4").read_bytes() == FILE


@pytest.mark.parametrize(
    "name",
    [
        "POST /api/v1/uploads",
        "PATCH /api/v1/uploads/u1",
        "GET /api/v1/uploads/u1",
        "POST /api/v1/videos/v1/clips",
        "GET /api/v1/jobs/job1/events",
        "GET /api/v1/jobs/job1",
        "GET /api/v1/jobs/job1/clips",
        "GET /files/1",
    ],
)
@pytest.mark.parametrize("when", ["break_before", "break_after"])
def test_a_broken_connection_is_carried_on_from(
    run: Callable[[], int], cluster: FakeCluster, tmp_path: Path, name: str, when: str
) -> None:
    getattr(cluster, when).extend([name, name])

    assert run() == 0
    assert cluster.stored == bytes(range(256)) * 10
    assert len(set(cluster.orders)) == 1
    assert saved(tmp_path) == ["clip01-9x16.mp4", "clip02-9x16.mp4"]


def test_the_event_stream_goes_on_after_the_last_event(
    run: Callable[[], int], cluster: FakeCluster
) -> None:
    cluster.cut_events_after = [1, 2]

    assert run() == 0
    assert cluster.asked_events == [0, 1, 2]


def test_a_cluster_that_stays_away_is_given_up_and_the_job_named(
    run: Callable[[], int], cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.break_before = ["GET /api/v1/jobs/job1/events"] * 1000

    assert run() == 1
    told = capsys.readouterr()
    assert "does not answer: peer closed connection" in told.err
    assert "mobula jobs save job1" in told.out
    assert len(cluster.break_before) > 900  # pauses grow


def test_a_refusal_is_not_repeated(
    run: Callable[[], int], cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.job["state"] = "failed"
    cluster.job["problem"] = {"detail": "None of the clips could be made."}
    cluster.clips = [clip(1, state="failed", files=[], problem={"detail": "It has no picture."})]

    assert run() == 1
    told = capsys.readouterr()
    assert "None of the clips could be made." in told.err
    assert "! not made: It has no picture." in told.out


def test_a_partial_job_says_which_clips_are_missing_and_why(
    run: Callable[[], int], cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.job["state"] = "partial"
    problem = {"detail": "The picture ends before."}
    cluster.clips.append(clip(3, state="failed", files=[], problem=problem))

    assert run() == clipping.PARTIAL
    told = capsys.readouterr().out
    assert "2 clips, 1 could not be made" in told
    assert "! not made: The picture ends before." in told


def test_what_is_wrong_with_a_clip_is_shown(
    run: Callable[[], int], cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {"problems": ["the clip is silent"], "repairs": ["one channel put on both"]}
    files = [{**clip(1)["files"][0], "report": report}]
    first = {"start": 3.0, "end": 9.0, "problem": {"detail": "No picture there."}}
    why = {"style": "none", "why": "no glyphs for Arabic"}
    note = "3.0 s long, shorter than min_s"
    cluster.clips = [clip(1, files=files, captions=why, partial=True, instead_of=first, note=note)]

    assert run() == 0
    told = capsys.readouterr().out
    for remark in (
        "9:16: the clip is silent",
        "9:16: one channel put on both",
        "captions: no glyphs for Arabic",
        "partial: ",
        "in place of 3.0-9.0 s, which failed: No picture there.",
        note,
    ):
        assert f"! {remark}" in told


def test_a_damaged_download_leaves_nothing(
    run: Callable[[], int], cluster: FakeCluster, tmp_path: Path
) -> None:
    cluster.clips[0]["files"][0]["sha256"] = "0" * 64

    assert run() == 1
    assert saved(tmp_path) == []


def test_the_clips_of_a_job_are_saved_afterwards(cluster: FakeCluster, tmp_path: Path) -> None:
    assert clipping.save("job1", tmp_path / "clips", None) == 0
    assert saved(tmp_path) == ["clip01-9x16.mp4", "clip02-9x16.mp4"]


def test_of_a_job_that_runs_the_clips_that_are_ready_are_saved(
    cluster: FakeCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.job.update(state="running", percent=40.0, ended=None)
    cluster.clips[1].update(state="running", files=[])

    assert clipping.save("job1", tmp_path / "clips", None) == 1
    assert saved(tmp_path) == ["clip01-9x16.mp4"]
    assert "job1 is running (40 %)" in capsys.readouterr().err


def test_an_unknown_job_is_refused_at_once(
    cluster: FakeCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clipping.save("other", tmp_path / "clips", None) == 1
    assert "There is no GET /api/v1/jobs/other" in capsys.readouterr().err


def test_pauses_grow_until_the_limit_without_progress() -> None:
    time, said = ManualClock(monotonic=0.0), []
    retries = Retries(said.append, clock=time, sleep=time.advance)
    error = httpx.ConnectError("refused")

    def wait_for_ever() -> None:
        while True:
            retries.wait(error)

    with pytest.raises(httpx.ConnectError):
        wait_for_ever()

    assert LIMIT_S <= time.monotonic() < LIMIT_S + 10
    assert said == ["no response (refused); retrying"]


def test_progress_starts_the_limit_again() -> None:
    time = ManualClock(monotonic=0.0)
    retries = Retries(lambda text: None, clock=time, sleep=time.advance)

    for _ in range(100):
        retries.wait(httpx.ReadError("x"))
        retries.progress()

    assert time.monotonic() == pytest.approx(50.0)


def test_the_server_says_when_to_come_back(cluster: FakeCluster) -> None:
    time, answers = ManualClock(monotonic=0.0), [httpx.Response(503, headers={"Retry-After": "5"})]
    answers.append(httpx.Response(200, json=JOB))
    transport = httpx.MockTransport(lambda request: answers.pop(0))
    http = httpx.Client(transport=transport, base_url="http://cluster")
    client = MediaClient(http, Retries(lambda text: None, clock=time, sleep=time.advance))

    assert client.job("job1")["state"] == "succeeded"
    assert time.monotonic() == 5.0
