"""`mobula clip FILE` and `mobula jobs save JOB`: a recording in, finished clips in a folder.

Uses the public API only: a resumable upload (tus), the transcript, a clip order, the job's events,
and a download of each clip's files when they are ready. Exit code 0 if every clip was made, PARTIAL
if some could not be made, 1 if none was.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.cli.media_client import ENDED, ApiError, MediaClient, Retries
from cluster.cli.output import console, fail, print_plain, print_rich

PARTIAL = 3
FILE_EXTENSIONS = {"video": ".mp4", "thumbnail": ".jpg", "srt": ".srt", "vtt": ".vtt"}


class ClipSaver:
    """Saves each clip of a job once, when it is ready, and prints its name."""

    def __init__(self, client: MediaClient, out: Path) -> None:
        self._client = client
        self._out = out
        self._saved: set[int] = set()

    def save(self, job: str) -> list[dict[str, Any]]:
        """Saves and prints the clips that are ready and not yet saved; returns all clips."""
        clips = self._client.clips(job)
        for clip in clips:
            if clip["number"] in self._saved or clip["state"] not in ("ready", "failed"):
                continue
            names = [self._download(clip["number"], file) for file in clip["files"]]
            self._saved.add(clip["number"])
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
        path = self._out / f"{name}{FILE_EXTENSIONS[file['kind']]}"
        self._client.download(file["url"], path, file["sha256"])
        return path.name

    def finish(self, job: str) -> int:
        """Saves the remaining clips, prints the job's outcome, and returns the exit code."""
        job_status = self._client.job(job)
        clips = self.save(job)
        if job_status["state"] in ("failed", "canceled"):
            return fail(f"{job_status['state']}: {(job_status['problem'] or {}).get('detail', '')}")
        if job_status["state"] not in ENDED:
            return fail(f"job {job} is {job_status['state']} ({job_status['percent']:.0f} %)")
        seconds = job_status["ended"] - job_status["started"]
        print_plain(f"{summary(clips)} in {seconds:.1f} s, in {self._out}")
        return PARTIAL if job_status["state"] == "partial" else 0


class ClipCommand:
    """Uploads one recording, orders clips and saves them."""

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
                    f"job {job} continues; save its clips with "
                    f"`mobula jobs save {job} --out {self._out}`"
                )
                raise

    def _follow(self, job: str, progress: Progress, bar: Any) -> None:
        for name, data in self._client.events(job):
            if name == "progress":
                progress.update(bar, description=data["stage"], completed=data["percent"])
            elif name == "retrying":
                print_plain(f"  retrying: {(data.get('problem') or {}).get('detail', '')}")
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
    """`mobula jobs save`: saves the clips that are ready."""
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


Clip = Mapping[str, Any]


def format_headline(clip: Clip) -> str:
    """The clip's span (seconds of the recording) and score."""
    return f"{clip['start']:.1f}-{clip['end']:.1f} s, score {clip['score']:.2f}"


def title(clip: Clip) -> str:
    return str((clip.get("text") or {}).get("title") or clip["excerpt"])


def remarks(clip: Clip) -> Iterator[str]:
    """Problems, reasons and missing parts of the clip, one line each."""
    if clip.get("problem"):
        yield f"not made: {clip['problem']['detail']}"
    yield from _span_remarks(clip)
    captions = clip.get("captions") or {}
    if captions.get("why"):
        yield f"captions: {captions['why']}"
    for file in clip.get("files", ()):
        yield from _file_remarks(file)
    detail = (clip.get("text") or {}).get("detail") or {}
    if detail.get("why"):
        yield f"text by a template: {detail['why']}"


def _span_remarks(clip: Clip) -> Iterator[str]:
    if clip.get("note"):
        yield str(clip["note"])
    if clip.get("instead_of"):
        original = clip["instead_of"]
        yield (
            f"in place of {original['start']:.1f}-{original['end']:.1f} s, which failed: "
            f"{original['problem']['detail']}"
        )
    if clip.get("partial"):
        yield "partial: shorter than planned, the recording ends or is damaged there"


def _file_remarks(file: Mapping[str, Any]) -> Iterator[str]:
    report = file.get("report") or {}
    for remark in (*report.get("problems", ()), *report.get("repairs", ())):
        yield f"{file.get('aspect') or file['kind']}: {remark}"


def summary(clips: Sequence[Clip]) -> str:
    """How many clips were made, and how many could not be."""
    ready = sum(clip["state"] == "ready" for clip in clips)
    failed = sum(clip["state"] == "failed" for clip in clips)
    ready_count = f"{ready} clip{'' if ready == 1 else 's'}"
    return ready_count + (f", {failed} could not be made" if failed else "")
