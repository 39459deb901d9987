"""S11, S13: a whole job over HTTP: a talk with its transcript, or without, in; five clips out.

In: a cluster of its own. Out: how long the job took beside the talk's length, and when its first
clip was there; and where the time went, by stage.
"""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from load_tests import synthetic_recording
from load_tests.benchmarks.video.context import VideoBenchmark, ffmpeg
from load_tests.benchmarks.video.cost import read_cpu_s
from load_tests.benchmarks.video.goals import GoalRow
from load_tests.made_speech import MADE_SPEECH

SHARE, FIRST = 0.40, 0.40
SPOKEN_SHARE = 0.25
CLIPS, CLIP_S = 5, 30.0
ORDER = {"count": CLIPS, "min_s": CLIP_S - 2, "max_s": CLIP_S + 2, "captions": "karaoke"}
LOOP_S = 60  # of picture, which then comes again: drawing eight minutes takes minutes
POLL_S = 0.5
ENDED = ("succeeded", "partial", "failed", "canceled")
PATIENCE = 4.0  # times the talk's length


@dataclass
class JobTimeline:
    """A job as a client sees it; seconds since it began to run. `stages`: when each began."""

    took_s: float = 0.0
    first_s: float = 0.0
    cpu_s: float = 0.0
    clips: list[dict[str, Any]] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)


def measure_job(benchmark: VideoBenchmark) -> list[GoalRow]:
    seconds = benchmark.options.talk_seconds
    benchmark.print(f"job: drawing a talk of {seconds} s ...")
    video = write_recording(benchmark.folder("talk"), seconds)
    local = benchmark.cluster
    headers = {"Authorization": f"Bearer {local.key}"}
    with httpx.Client(base_url=local.url, headers=headers, timeout=300) as http:
        id_ = _upload(http, video, synthetic_recording.build_transcript(seconds))
        benchmark.print(f"job: {video.stat().st_size / 2**20:.0f} MiB are there, now the clips ...")
        before = read_cpu_s(local.processes())
        timeline = _followed(http, id_, until=time.monotonic() + 60 + PATIENCE * seconds)
        timeline.cpu_s = read_cpu_s(local.processes()) - before
    benchmark.raw["job"] = asdict(timeline)
    return build_rows(timeline, seconds)


def build_rows(timeline: JobTimeline, seconds: float) -> list[GoalRow]:
    length = sum(clip["duration"] for clip in timeline.clips)
    problems = sum(bool(clip["problems"]) for clip in timeline.clips)
    named = f"the talk's {seconds:g} s"
    return [
        GoalRow("S11", "job, wall", named, timeline.took_s, seconds, at_most=SHARE),
        GoalRow("S11", "job, CPU", named, timeline.cpu_s, seconds),
        GoalRow("S11", "first clip", "the job", timeline.first_s, timeline.took_s, at_most=FIRST),
        GoalRow("S11", "clips made", "asked for", len(timeline.clips), CLIPS, "", at_least=1),
        GoalRow("S11", "seconds of clips", "asked for", length, CLIPS * CLIP_S),
        GoalRow("S11", "clips that break a promise", "", problems, unit="", at_most=0),
    ]


def measure_spoken_job(benchmark: VideoBenchmark) -> list[GoalRow]:
    seconds = benchmark.options.spoken_seconds
    benchmark.print(f"job: drawing a talk of {seconds} s without a transcript ...")
    video = write_spoken_recording(benchmark.folder("spoken"), seconds)
    local = benchmark.cluster
    headers = {"Authorization": f"Bearer {local.key}"}
    with httpx.Client(base_url=local.url, headers=headers, timeout=300) as http:
        id_ = _upload(http, video)
        before = read_cpu_s(local.processes())
        timeline = _followed(http, id_, until=time.monotonic() + 60 + PATIENCE * seconds)
        timeline.cpu_s = read_cpu_s(local.processes()) - before
    benchmark.raw["spoken job"] = asdict(timeline)
    return build_spoken_rows(timeline, seconds)


def build_spoken_rows(timeline: JobTimeline, seconds: float) -> list[GoalRow]:
    named = f"the talk's {seconds:g} s"
    captioned = sum(clip["captioned"] for clip in timeline.clips)
    return [
        GoalRow("S13", "job, wall", named, timeline.took_s, seconds, at_most=SPOKEN_SHARE),
        GoalRow("S13", "job, CPU", named, timeline.cpu_s, seconds),
        GoalRow("S13", "first clip", "the job", timeline.first_s, timeline.took_s, at_most=FIRST),
        GoalRow("S13", "captioned clips", "asked for", captioned, CLIPS, "", at_least=1),
    ]


def write_spoken_recording(folder: Path, seconds: int) -> Path:
    """1080p30 with made speech, again and again."""
    video = folder / "spoken.mp4"
    synthetic_recording.write_recording(folder / "picture.mp4", min(seconds, LOOP_S))
    picture = ("-stream_loop", "-1", "-i", "picture.mp4")
    voice = ("-stream_loop", "-1", "-i", str(MADE_SPEECH))
    sound = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-ac", "1")
    ffmpeg(folder, *picture, *voice, *sound, "-t", str(seconds), video.name)
    return video


def write_recording(folder: Path, seconds: int) -> Path:
    """1080p30 with its voice; longer than LOOP_S its picture repeats, its sound does not."""
    video = folder / "talk.mp4"
    if seconds <= LOOP_S:
        synthetic_recording.write_recording(video, seconds)
        return video
    synthetic_recording.write_recording(folder / "picture.mp4", LOOP_S)
    synthetic_recording.write_recording(folder / "voice.mp4", seconds, 160, 90, fps=5)
    both = ("-stream_loop", "-1", "-i", "picture.mp4", "-i", "voice.mp4", "-map", "0:v")
    ffmpeg(folder, *both, "-map", "1:a", "-c", "copy", "-t", str(seconds), video.name)
    return video


def _upload(http: httpx.Client, video: Path, transcript: str | None = None) -> str:
    with video.open("rb") as file:
        files: dict[str, tuple[str, IO[bytes] | bytes]] = {"file": (video.name, file)}
        if transcript is not None:
            files["transcript"] = ("talk.srt", transcript.encode())
        answer = http.post("/api/v1/videos", files=files)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _followed(http: httpx.Client, video: str, until: float) -> JobTimeline:
    """Orders the clips and looks at the job until it ends. RuntimeError: it failed or takes too
    long."""
    answer = http.post(f"/api/v1/videos/{video}/clips", json=ORDER)
    answer.raise_for_status()
    path, timeline = f"/api/v1/jobs/{answer.json()['id']}", JobTimeline()
    stage_starts: dict[str, float] = {}
    first = 0.0
    while (job := _get(http, path))["state"] not in ENDED:
        if time.monotonic() > until:
            raise RuntimeError(f"the job is not done: {job['stage']} {job['percent']:.0f} %")
        stage_starts.setdefault(job["stage"] or job["state"], time.time())
        if not first and any(clip["state"] == "ready" for clip in _clips(http, path)):
            first = time.time()
        time.sleep(POLL_S)
    if job["state"] not in ("succeeded", "partial"):
        raise RuntimeError(f"the job {job['state']}: {job['problem']}")
    began = job["started"]
    timeline.took_s, timeline.first_s = job["ended"] - began, (first or job["ended"]) - began
    timeline.stages = {stage: round(at - began, 2) for stage, at in stage_starts.items()}
    timeline.clips = [
        _describe_clip(clip) for clip in _clips(http, path) if clip["state"] == "ready"
    ]
    return timeline


def _get(http: httpx.Client, path: str) -> dict[str, Any]:
    answer = http.get(path)
    answer.raise_for_status()
    return dict(answer.json())


def _clips(http: httpx.Client, path: str) -> list[dict[str, Any]]:
    return list(_get(http, f"{path}/clips")["data"])


def _describe_clip(clip: dict[str, Any]) -> dict[str, Any]:
    reports = [file["report"] for file in clip["files"] if file.get("report")]
    sizes = [f"{file['width']}x{file['height']}" for file in clip["files"] if file.get("report")]
    problems = [problem for report in reports for problem in report["problems"]]
    captioned = clip["captions"]["style"] != "none"
    facts = {"captioned": captioned, "start": clip["start"], "score": clip["score"]}
    return {"duration": clip["duration"], "sizes": sizes, "problems": problems, **facts}
