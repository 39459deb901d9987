"""`mobula demo`: a tour of the running cluster in half a minute.

Streams three captions at once over HTTP, then sends a batch, has a draft analyzed, optimized,
approved and scheduled, searches a collection, asks a document, then does the same as at first from
a Ray job by Python handles; then generates a small video and orders clips of it. Uses the public
API only.
"""

import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import orjson
from rich.columns import Columns
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from cluster.cli.clip import run as run_clip
from cluster.cli.demo_documents import ask_document
from cluster.cli.demo_drafts import DemoFailed, analyze_draft, optimize_draft, schedule_post
from cluster.cli.demo_search import search_texts
from cluster.cli.job_keys import VARIABLE, lend_key
from cluster.cli.output import Stages, console, fail, print_plain, print_rich
from cluster.cli.running_cluster import NOT_RUNNING, client, running_state
from cluster.ops.cluster_state import ClusterState
from cluster.ops.dashboard import DashboardClient, DashboardRefused
from cluster.ops.startup import token
from cluster.runtime.clock import SystemClock
from cluster.runtime.installation import shipped_file
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import admin_key

BRIEFS: tuple[Mapping[str, str], ...] = (
    {"platform": "instagram", "topic": "a rooftop coffee bar", "style": "playful"},
    {"platform": "linkedin", "topic": "our first year of remote work", "style": "professional"},
    {"platform": "x", "topic": "a midnight book fair", "style": "minimal"},
)
BATCH_TOPICS = ("a spring menu", "a flea market", "our new app", "a beach cleanup")
JOB = shipped_file("docs/examples/caption_job.py")
JOB_LIMIT_S, JOB_KEY_S = 120.0, 300
RAY_LOG_LINE = re.compile(r"(INFO )?\d{4}-\d\d-\d\d .*\b(INFO|WARNING|serve)\b|Running entrypoint")

Event = tuple[str, dict[str, Any]]


def run() -> int:
    settings = Settings()
    state = running_state(settings)
    if state is None:
        return fail(NOT_RUNNING)
    key = admin_key(settings.home, settings)
    if key is None:
        return fail(f"no admin key in {settings.home}")
    try:
        with client(state, settings) as http:
            _stream(http)
            _batch(http)
            analyze_draft(http)
            schedule_post(http, optimize_draft(http))
            search_texts(http)
            ask_document(http)
            _job(state.dashboard, settings, http)
        if run_video_demo(key, settings.home / "demo"):
            return 1
    except (httpx.HTTPError, DashboardRefused, DemoFailed) as error:
        return fail(str(error))
    _print_links(state)
    return 0


class Caption:
    """A streamed caption so far. One thread fills it, another draws it."""

    def __init__(self, brief: Mapping[str, str]) -> None:
        self.brief = brief
        self.text = ""
        self.first_ms: float | None = None
        self.score: float | None = None
        self.error: str | None = None

    def handle_event(self, name: str, data: Mapping[str, Any], ms: float) -> None:
        if name == "delta":
            self.first_ms = self.first_ms or ms
            self.text += data["text"]
        elif name == "variant":
            self.text, self.score = data["result"]["text"], data["result"]["score"]
        elif name == "error":
            self.error = str(data.get("detail", data))

    def panel(self) -> Panel:
        notes = [] if self.first_ms is None else [f"first words {self.first_ms:.0f} ms"]
        notes += [] if self.score is None else [f"score {self.score:.2f}"]
        body = Text(self.error or self.text, style="red" if self.error else "")
        title = f"[bold]{self.brief['platform']}[/] {self.brief['topic']}"
        return Panel(body, title=title, subtitle=" · ".join(notes), width=38, height=11)


def _stream(http: httpx.Client) -> None:
    print_rich("[bold]1. Three captions at once[/]  POST /api/v1/captions, server-sent events")
    captions = [Caption(brief) for brief in BRIEFS]
    threads = [
        threading.Thread(target=_fill, args=(http, caption), daemon=True) for caption in captions
    ]
    for thread in threads:
        thread.start()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while any(thread.is_alive() for thread in threads):
            if console.is_terminal:
                live.update(Columns([caption.panel() for caption in captions]), refresh=True)
            time.sleep(0.03)
        live.update(Columns([caption.panel() for caption in captions]), refresh=True)
    if not any(caption.text for caption in captions):
        raise DemoFailed(captions[0].error or "no caption was received")


def _fill(http: httpx.Client, caption: Caption) -> None:
    clock = SystemClock()
    started = clock.monotonic()
    body = {**caption.brief, "stream": True}
    try:
        with http.stream("POST", "/api/v1/captions", json=body) as response:
            if not response.is_success:
                caption.error = f"{response.status_code} {response.read().decode()}"
                return
            for name, data in events(response.iter_lines()):
                caption.handle_event(name, data, (clock.monotonic() - started) * 1000)
    except httpx.HTTPError as error:
        caption.error = str(error)


def events(lines: Iterator[str]) -> Iterator[Event]:
    """Parses server-sent events into (name, data); comments are skipped."""
    name = "message"
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: ") and line != "data: [DONE]":
            yield name, orjson.loads(line[6:])


def _batch(http: httpx.Client) -> None:
    print_rich("\n[bold]2. A batch[/]  POST /api/v1/captions/batch")
    items = [{"platform": "instagram", "topic": topic, "variants": 2} for topic in BATCH_TOPICS]
    clock = SystemClock()
    started = clock.monotonic()
    response = http.post("/api/v1/captions/batch", json={"items": items})
    if not response.is_success:
        raise DemoFailed(f"{response.status_code} {response.text}")
    for topic, result in zip(BATCH_TOPICS, response.json()["results"], strict=True):
        print_plain(f"  {topic:<16} {_best_variant(result)}")
    print_plain(f"  {len(items)} briefs, 2 variants each: {clock.monotonic() - started:.2f} s")


def _best_variant(result: Mapping[str, Any]) -> str:
    if result["status"] != "ok":
        return str(result["error"]["detail"])
    best = result["result"]["variants"][0]
    return f"{best['score']:.2f}  {' '.join(best['text'].split())}"


def _job(url: str, settings: Settings, http: httpx.Client) -> None:
    print_rich(
        "\n[bold]8. The same from a Ray job, by Python handles[/]  docs/examples/caption_job.py"
    )
    dashboard = DashboardClient(url, token(settings.home))
    with lend_key(http, settings.home, JOB_KEY_S) as key, Stages().running() as stages:
        env = {VARIABLE: str(key.file)}
        job = dashboard.submit(f'"{sys.executable}" "{JOB}"', env)
        status = _await_job(dashboard, job, stages)
    for line in dashboard.job_logs(job).splitlines():
        if status != "SUCCEEDED" or not RAY_LOG_LINE.match(line):
            print_plain(f"  {line}")
    dashboard.close()
    if status != "SUCCEEDED":
        raise DemoFailed(f"job {job}: {status}")


def _await_job(dashboard: DashboardClient, job: str, stages: Stages) -> str:
    clock = SystemClock()
    deadline = clock.monotonic() + JOB_LIMIT_S
    while True:
        status = dashboard.job(job)
        if status in ("SUCCEEDED", "FAILED", "STOPPED") or clock.monotonic() > deadline:
            return status
        stages(f"job {job} ({status.lower()})")
        time.sleep(0.3)


def _print_links(state: ClusterState) -> None:
    print_rich("\n[bold]Links[/]")
    print_rich(f"  API          {state.url}/docs")
    print_rich(f"  dashboard    {state.dashboard}  (token: `cat {Settings().home / 'ray.token'}`)")
    print_rich("  OpenAI SDK   base_url=" + state.url + "/v1, api_key=$(./mobula keys show)")


SECONDS = 40
SENTENCES = (
    "Welcome to our little roastery by the harbour.",
    "We buy the beans from four farms that we know by name.",
    "Why does it taste so different? Because we roast it the slow way!",
    "You should never hurry a good coffee.",
    "Most people grind it far too fine.",
    "The secret is fresh water and a little patience.",
    "Our new rooftop bar opens this Friday, and it is amazing!",
    "Come early, the first hundred cups are free.",
)


def run_video_demo(key: str | None, out: Path) -> int:
    """Generates the video and saves its clips in `out`; returns the exit code."""
    print_rich("\n[bold]9. A video becomes clips[/]  ./mobula clip demo.mp4 --transcript demo.srt")
    with tempfile.TemporaryDirectory() as folder:
        video, srt = Path(folder) / "demo.mp4", Path(folder) / "demo.srt"
        make_video(video)
        srt.write_text(transcript())
        options = {"count": 2, "min_s": 6, "max_s": 14, "aspects": ["9:16"], "quality": "draft"}
        return run_clip(video, srt, out, key, options)


def transcript() -> str:
    """The transcript as SubRip, one line every five seconds."""
    step = SECONDS / len(SENTENCES)
    cues = [
        f"{number}\n{_srt_time(start)} --> {_srt_time(start + step - 0.8)}\n{line}\n"
        for number, line in enumerate(SENTENCES, 1)
        if (start := (number - 1) * step + 0.3) < SECONDS
    ]
    return "\n".join(cues)


def make_video(file: Path) -> None:
    """Writes the video: 640x360, 25 fps, H.264 and AAC. Raises CalledProcessError."""
    dot = (
        "color=c=0xffd9b3:s=70x90:r=25[dot];"
        "gradients=s=640x360:r=25:speed=0.01:seed=3[wall];"
        "[wall][dot]overlay=x='250+180*sin(t/2.3)':y='130+10*sin(t*2)',noise=alls=4:allf=t[out]"
    )
    hum = (
        "aevalsrc='(0.12+0.2*between(t,10,15)+0.25*between(t,30,36))*sin(2*PI*(170+30*sin(5*t))*t)"
        "*max(0,sin(2*PI*2.1*t))*lt(mod(t,5),4.2)':s=48000"
    )
    sources = ["-f", "lavfi", "-i", hum, "-filter_complex", dot, "-map", "[out]", "-map", "0:a"]
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    binary = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run(
        [binary, "-v", "error", "-y", *sources, *encode, "-t", str(SECONDS), str(file)],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def _srt_time(seconds: float) -> str:
    full_seconds, fraction = divmod(seconds, 1)
    return (
        f"00:{int(full_seconds) // 60:02d}:{int(full_seconds) % 60:02d},{int(fraction * 1000):03d}"
    )
