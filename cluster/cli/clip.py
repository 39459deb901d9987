"""`mobula clip FILE` and `mobula jobs save JOB`: a recording in, finished clips in a folder.

It does what any client would: a resumable upload (tus), a transcript beside it, an order of clips,
the job's events, and each clip's files as soon as they are ready. Exit code 0 if every clip is
there, PARTIAL if some could not be made, 1 if there are none.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.cli.clip_report import format_headline, remarks, summary, title
from cluster.cli.media_client import ENDED, ApiError, MediaClient
from cluster.cli.output import console, fail, print_plain, print_rich
from cluster.cli.retries import Retries

PARTIAL = 3
ENDINGS = {"video": ".mp4", "thumbnail": ".jpg", "srt": ".srt", "vtt": ".vtt"}


class ClipSaver:
    """Saves the clips of a job as they become ready, each once, and says what it saved."""

    def __init__(self, client: MediaClient, out: Path) -> None:
        self._client = client
        self._out = out
        self._shown: set[int] = set()

    def save(self, job: str) -> list[dict[str, Any]]:
        """The clips as they are now; those that are ready and new are saved and shown."""
        clips = self._client.clips(job)
        for clip in clips:
            if clip["number"] in self._shown or clip["state"] not in ("ready", "failed"):
                continue
            names = [self._download(clip["number"], file) for file in clip["files"]]
            self._shown.add(clip["number"])
            print_rich(f"[bold]{clip['number']}[/] {format_headline(clip)}")
            print_plain(f"  {title(clip)[:90]}")
            if names:
                print_plain(f"  {'  '.join(names)}")
            for remark in remarks(clip):
                print_plain(f"  ! {remark}")
        return clips

    def _download(self, number: int, file: dict[str, Any]) -> str:
        aspect = (file.get("aspect") or "").replace(":", "x")
        name = "-".join(part for part in (f"clip{number:02d}", aspect) if part)
        path = self._out / f"{name}{ENDINGS[file['kind']]}"
        self._client.download(file["url"], path, file["sha256"])
        return path.name

    def finish(self, job: str) -> int:
        """Saves what is left, says how the job ended, and returns the exit code."""
        found = self._client.job(job)
        clips = self.save(job)
        if found["state"] in ("failed", "canceled"):
            return fail(f"{found['state']}: {(found['problem'] or {}).get('detail', '')}")
        if found["state"] not in ENDED:
            return fail(f"job {job} is {found['state']} ({found['percent']:.0f} %)")
        took = found["ended"] - found["started"]
        print_plain(f"{summary(clips)} in {took:.1f} s, in {self._out}")
        return PARTIAL if found["state"] == "partial" else 0


class ClipCommand:
    """One recording's way through the API."""

    def __init__(self, client: MediaClient, out: Path) -> None:
        self._client = client
        self._saver = ClipSaver(client, out)
        self._out = out

    def run(self, file: Path, transcript: Path | None, options: dict[str, Any]) -> int:
        with _progress() as progress:
            bar = progress.add_task("uploading", total=100.0)
            video = self._client.upload(file, lambda s: progress.update(bar, completed=100 * s))
            if transcript is not None:
                self._client.put_transcript(video, transcript)
            job = str(self._client.order_clips(video, options, secrets.token_hex(16))["id"])
            print_plain(f"video {video}, job {job}")
            progress.update(bar, description="queued", completed=0.0)
            try:
                self._follow(job, progress, bar)
                return self._saver.finish(job)
            except (httpx.TransportError, KeyboardInterrupt):
                print_plain(
                    f"job {job} goes on; `mobula jobs save {job} --out {self._out}` saves it"
                )
                raise

    def _follow(self, job: str, progress: Progress, bar: Any) -> None:
        for name, data in self._client.events(job):
            if name == "progress":
                progress.update(bar, description=data["stage"], completed=data["percent"])
            elif name == "retrying":
                print_plain(f"  trying again: {(data.get('problem') or {}).get('detail', '')}")
            elif name == "part" and data.get("state") in ("ready", "failed"):
                self._saver.save(job)


def _progress() -> Progress:
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def run(
    file: Path, transcript: Path | None, out: Path, key: str | None, options: dict[str, Any]
) -> int:
    """`mobula clip`."""
    if not file.is_file():
        return fail(f"{file} is not a file")
    if transcript is not None and not transcript.is_file():
        return fail(f"{transcript} is not a file")
    return _with_client(
        out, key, lambda client: ClipCommand(client, out).run(file, transcript, options)
    )


def save(job: str, out: Path, key: str | None) -> int:
    """`mobula jobs save`: what the job has made so far."""
    return _with_client(out, key, lambda client: ClipSaver(client, out).finish(job))


def _with_client(out: Path, key: str | None, command: Callable[[MediaClient], int]) -> int:
    from cluster.cli.api import connect

    try:
        out.mkdir(parents=True, exist_ok=True)
        with connect(key) as http:
            return command(MediaClient(http, Retries(print_plain)))
    except ApiError as refused:
        return fail(str(refused))
    except httpx.HTTPError as error:
        return fail(f"the cluster does not answer: {error or type(error).__name__}")
    except OSError as error:
        return fail(f"cannot save: {error}")
