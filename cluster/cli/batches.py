"""`mobula batches`: many calls of one operation as a job."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.api import Api, Json, Key, api, new_app, show, show_one
from cluster.cli.output import errors, fail, print_plain

batches = new_app("Batches: many calls of one operation, with a result for each.")
COLUMNS = ("id", "operation", "status", "counts", "created", "expires")
WATCH_S = 2
Id = Annotated[str, typer.Argument(help="The batch's id.")]


@batches.command()
def create(
    operation: Annotated[str, typer.Argument(help="Such as chat, captions or embeddings.")],
    file: Annotated[
        Path,
        typer.Argument(help="JSON lines: bodies, or objects with `custom_id` and `body`."),
    ],
    upload: Annotated[
        bool,
        typer.Option(
            "--upload",
            help="Send the file as it is, up to 50,000 lines; each has a `custom_id` and a `body`.",
        ),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until it ends.")] = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Call an operation for each line of a file, at most 1,000 without --upload."""
    body: dict[str, Any] = {"operation": operation}
    if not upload:
        body["items"] = _items(file)
    with api(key) as cluster:
        if upload:
            body["input_file"] = cluster.upload(file, "batch")["id"]
        batch = cluster.post("batches", body=body)
        if wait:
            batch = _watched(cluster, batch)
        show_one(_flat(batch), as_json)


@batches.command()
def watch(batch: Id, key: Key = None, as_json: Json = False) -> None:
    """Show the progress of a batch until it ends."""
    with api(key) as cluster:
        show_one(_flat(_watched(cluster, cluster.get("batches", batch))), as_json)


@batches.command("list")
def list_batches(
    limit: Annotated[int, typer.Option("--most", "-n", help="At most this many.")] = 50,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List batches, newest first."""
    with api(key) as cluster:
        show([_flat(each) for each in cluster.pages("batches", limit=limit)], COLUMNS, as_json)


@batches.command("show")
def show_batch(batch: Id, key: Key = None, as_json: Json = False) -> None:
    """Show how a batch stands."""
    with api(key) as cluster:
        show_one(_flat(cluster.get("batches", batch)), as_json)


@batches.command()
def results(
    batch: Id,
    status: Annotated[
        str | None, typer.Option(help="Only succeeded, failed, queued or cancelled ones.")
    ] = None,
    key: Key = None,
) -> None:
    """Print the items of a batch as JSON lines, in their order; of one over a file, the lines of
    its outputs: those that succeeded, then those that failed."""
    with api(key) as cluster:
        found = cluster.get("batches", batch)
        if found.get("input_file") is None:
            _print_items(cluster, batch, status)
            return
        wanted = {"succeeded": ("output_file",), "failed": ("error_file",)}
        for name in wanted.get(status or "", ("output_file", "error_file")):
            if found[name] is not None:
                for line in cluster.file_lines(found[name]):
                    print_plain(line)


@batches.command()
def cancel(batch: Id, key: Key = None, as_json: Json = False) -> None:
    """Cancel a batch; results that are there stay."""
    with api(key) as cluster:
        show_one(_flat(cluster.post("batches", batch, "cancel", body={})), as_json)


@batches.command()
def delete(batch: Id, key: Key = None) -> None:
    """Forget an ended batch and its results."""
    with api(key) as cluster:
        cluster.delete("batches", batch)


def _watched(cluster: Api, batch: dict[str, Any]) -> dict[str, Any]:
    """The batch once it has ended; a line for each change of its counts, on standard error."""
    shown = ""
    while batch["ended"] is None:
        line = f"{batch['status']}: {_flat(batch)['counts']}"
        if line != shown:
            errors.print(line, markup=False)
            shown = line
        batch = cluster.get_later("batches", batch["id"], wait_s=WATCH_S)
    return batch


def _print_items(cluster: Api, batch: str, status: str | None) -> None:
    after: int | None = -1
    while after is not None:
        page = cluster.get("batches", batch, "items", status=status, after=after, limit=200)
        for item in page["data"]:
            print_plain(json.dumps(item, ensure_ascii=False))
        after = page["next_after"]


def _items(file: Path) -> list[dict[str, Any]]:
    """Ends the command for a file that is not JSON lines."""
    items = []
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.Exit(fail(f"{file}: {error}")) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise typer.Exit(fail(f"{file}, line {number}: {error}")) from None
        has_form = isinstance(value, dict) and isinstance(value.get("body"), dict)
        items.append(value if has_form else {"body": value})
    return items


def _flat(batch: dict[str, Any]) -> dict[str, Any]:
    """With its counts in one cell."""
    counts = batch["counts"]
    done = f"{counts['succeeded']} ok, {counts['failed']} failed, {counts['pending']} pending"
    return {**batch, "counts": done}
