"""`mobula jobs`: long-running work, such as clips of videos."""

from pathlib import Path
from typing import Annotated

import typer

from cluster.cli.api import Json, Key, api, new_app, show, show_one

jobs = new_app("Jobs: long-running work, such as clips of videos.")
COLUMNS = ("id", "kind", "state", "stage", "percent", "attempts", "created")
Id = Annotated[str, typer.Argument(help="The job's id.")]


@jobs.command("list")
def list_jobs(
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option("--most", "-n", help="At most this many.")] = 50,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    with api(key) as cluster:
        show(list(cluster.pages("jobs", limit=limit, state=state)), COLUMNS, as_json)


@jobs.command("show")
def show_job(job: Id, key: Key = None, as_json: Json = False) -> None:
    """Show a job's status."""
    with api(key) as cluster:
        show_one(cluster.get("jobs", job), as_json)


@jobs.command()
def clips(job: Id, key: Key = None, as_json: Json = False) -> None:
    """Show a job's clips, best first, with their problems."""
    from cluster.cli.clip import remarks

    with api(key) as cluster:
        rows = cluster.get("jobs", job, "clips")["data"]
    if not as_json:
        rows = [{**row, "remarks": "\n".join(remarks(row))} for row in rows]
    show(rows, ("number", "state", "start", "end", "score", "excerpt", "remarks"), as_json)


@jobs.command()
def save(
    job: Id,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the clips.")] = Path("clips"),
    key: Key = None,
) -> None:
    """Save the clips of a job that are ready. Exit code 3: some could not be made."""
    from cluster.cli.clip import save as save_clips

    raise typer.Exit(save_clips(job, out, key))


@jobs.command()
def cancel(job: Id, key: Key = None, as_json: Json = False) -> None:
    """Cancel a job and delete its results."""
    with api(key) as cluster:
        show_one(cluster.post("jobs", job, "cancel", body={}), as_json)


@jobs.command()
def delete(job: Id, key: Key = None) -> None:
    """Delete an ended job and its files."""
    with api(key) as cluster:
        cluster.delete("jobs", job)
