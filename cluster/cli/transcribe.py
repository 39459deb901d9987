"""`mobula transcribe FILE`: a recording in, its transcript out.

Uses the public API only: `POST /api/v1/audio`, and for long recordings the job's events. The
transcript goes to standard output, or to a file; the progress to the terminal.
"""

from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.cli.media_client import ApiError, MediaClient, Retries, reason
from cluster.cli.output import errors, fail, print_plain
from deployments.media.transcript_formats import RENDERED, render_text

AUDIO = "/api/v1/audio"
FORMATS = ("text", "srt", "vtt", "json", "analysis")
UPLOAD_S = 600.0


class TranscribeCommand:
    """Sends one recording and waits for what is said in it."""

    def __init__(self, http: httpx.Client, client: MediaClient) -> None:
        self._http = http
        self._client = client

    def run(self, file: Path, format: str, fields: dict[str, str]) -> str:
        """The transcript, or with the format `analysis` all that is known. Raises ApiError."""
        columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=errors, disable=not errors.is_terminal) as progress:
            bar = progress.add_task("sending", total=100.0)
            answer = self._send(file, fields)
            if answer["object"] == "job":
                job = str(answer["id"])
                errors.print(f"job {job}", markup=False)
                self._follow(job, progress, bar)
                answer = self._client.request("GET", f"{AUDIO}/{job}").json()
        return render(answer, format)

    def _send(self, file: Path, fields: dict[str, str]) -> dict[str, Any]:
        with file.open("rb") as content:
            files = {"file": (file.name, content)}
            response = self._http.post(AUDIO, files=files, data=fields, timeout=UPLOAD_S)
        if not response.is_success:
            raise ApiError(reason(response))
        answer: dict[str, Any] = response.json()
        return answer

    def _follow(self, job: str, progress: Progress, bar: Any) -> None:
        """Raises ApiError for a job that fails."""
        for name, data in self._client.events(job):
            if name == "progress":
                progress.update(bar, description=data["stage"], completed=data["percent"])
        ended = self._client.job(job)
        if ended["state"] != "succeeded":
            problem = ended["problem"] or {}
            raise ApiError(f"{ended['state']}: {problem.get('detail', '')}")


def render(answer: dict[str, Any], format: str) -> str:
    if format == "analysis":
        return orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n"
    transcript = answer["transcript"]
    if format in RENDERED:
        return render_text(transcript, format)
    return orjson.dumps(transcript, option=orjson.OPT_INDENT_2).decode() + "\n"


def run(
    file: Path,
    format: str,
    out: Path | None,
    key: str | None,
    language: str | None,
    prompt: str | None,
    translate: bool,
) -> int:
    """`mobula transcribe`."""
    from cluster.cli.api import connect

    if not file.is_file():
        return fail(f"{file} is not a file")
    if format not in FORMATS:
        return fail(f"'{format}' is none of {', '.join(FORMATS)}")
    given = {"language": language, "prompt": prompt, "task": "translate" if translate else None}
    fields = {name: value for name, value in given.items() if value is not None}
    if format != "analysis":
        fields["parts[]"] = "transcript"
    try:
        with connect(key) as http:
            command = TranscribeCommand(http, MediaClient(http, Retries(print_plain)))
            text = command.run(file, format, fields)
        if out is None:
            print_plain(text, end="")
        else:
            out.write_text(text, encoding="utf-8")
    except ApiError as refused:
        return fail(str(refused))
    except httpx.HTTPError as error:
        return fail(f"the cluster does not answer: {error or type(error).__name__}")
    except OSError as error:
        return fail(f"cannot read or save: {error}")
    return 0
