"""`mobula demo`: what the running cluster does, shown in half a minute.

Three captions stream at once over HTTP, then a batch, then the same from a Ray job by Python
handles; then it makes a small video and has clips made of it. Nothing here is special: it sends
what any client would send.
"""

import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import orjson
from rich.columns import Columns
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from cluster.cli.demo_video import run as clips
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
RAYS_OWN = re.compile(r"(INFO )?\d{4}-\d\d-\d\d .*\b(INFO|WARNING|serve)\b|Running entrypoint")

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
            _job(state.dashboard, settings, http)
        if clips(key, settings.home / "demo"):
            return 1
    except (httpx.HTTPError, DashboardRefused, DemoFailed) as error:
        return fail(str(error))
    _where_next(state)
    return 0


class DemoFailed(Exception):
    """The cluster answered something else than the demo expects."""


class Caption:
    """One streamed caption, as far as it has come. Filled by a thread, drawn by another."""

    def __init__(self, brief: Mapping[str, str]) -> None:
        self.brief = brief
        self.text = ""
        self.first_ms: float | None = None
        self.score: float | None = None
        self.error: str | None = None

    def take(self, name: str, data: Mapping[str, Any], ms: float) -> None:
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
    threads = [threading.Thread(target=_fill, args=(http, each), daemon=True) for each in captions]
    for thread in threads:
        thread.start()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while any(thread.is_alive() for thread in threads):
            if console.is_terminal:
                live.update(Columns([each.panel() for each in captions]), refresh=True)
            time.sleep(0.03)
        live.update(Columns([each.panel() for each in captions]), refresh=True)
    if not any(each.text for each in captions):
        raise DemoFailed(captions[0].error or "no caption came")


def _fill(http: httpx.Client, caption: Caption) -> None:
    clock = SystemClock()
    began = clock.monotonic()
    body = {**caption.brief, "stream": True}
    try:
        with http.stream("POST", "/api/v1/captions", json=body) as answer:
            if not answer.is_success:
                caption.error = f"{answer.status_code} {answer.read().decode()}"
                return
            for name, data in events(answer.iter_lines()):
                caption.take(name, data, (clock.monotonic() - began) * 1000)
    except httpx.HTTPError as error:
        caption.error = str(error)


def events(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events as (name, data). Lines that are neither are comments."""
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
    began = clock.monotonic()
    answer = http.post("/api/v1/captions/batch", json={"items": items})
    if not answer.is_success:
        raise DemoFailed(f"{answer.status_code} {answer.text}")
    for topic, result in zip(BATCH_TOPICS, answer.json()["results"], strict=True):
        print_plain(f"  {topic:<16} {_best(result)}")
    print_plain(f"  {len(items)} briefs, 2 variants each: {clock.monotonic() - began:.2f} s")


def _best(result: Mapping[str, Any]) -> str:
    if result["status"] != "ok":
        return str(result["error"]["detail"])
    best = result["result"]["variants"][0]
    return f"{best['score']:.2f}  {' '.join(best['text'].split())}"


def _job(url: str, settings: Settings, http: httpx.Client) -> None:
    print_rich(
        "\n[bold]3. The same from a Ray job, by Python handles[/]  docs/examples/caption_job.py"
    )
    dashboard = DashboardClient(url, token(settings.home))
    with lend_key(http, settings.home, JOB_KEY_S) as key, Stages().running() as stages:
        env = {VARIABLE: str(key.file)}
        job = dashboard.submit(f'"{sys.executable}" "{JOB}"', env)
        status = _await_job(dashboard, job, stages)
    for line in dashboard.job_logs(job).splitlines():
        if status != "SUCCEEDED" or not RAYS_OWN.match(line):
            print_plain(f"  {line}")
    dashboard.close()
    if status != "SUCCEEDED":
        raise DemoFailed(f"job {job}: {status}")


def _await_job(dashboard: DashboardClient, job: str, stages: Stages) -> str:
    clock = SystemClock()
    until = clock.monotonic() + JOB_LIMIT_S
    while True:
        status = dashboard.job(job)
        if status in ("SUCCEEDED", "FAILED", "STOPPED") or clock.monotonic() > until:
            return status
        stages(f"job {job} ({status.lower()})")
        time.sleep(0.3)


def _where_next(state: ClusterState) -> None:
    print_rich("\n[bold]Where to look[/]")
    print_rich(f"  API          {state.url}/docs")
    print_rich(f"  dashboard    {state.dashboard}  (token: `cat {Settings().home / 'ray.token'}`)")
    print_rich("  OpenAI SDK   base_url=" + state.url + "/v1, api_key=$(./mobula keys show)")
