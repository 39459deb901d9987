"""`mobula batches`: many calls of one operation as a job."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.api import Api, Json, Key, api, new_app, show, show_one
from cluster.cli.output import fail, print_plain

batches = new_app("Batches: many calls of one operation, with a result for each.")
COLUMNS = ("id", "operation", "status", "counts", "created", "expires")
Id = Annotated[str, typer.Argument(help="The batch's id.")]


@batches.command()
def create(
    operation: Annotated[str, typer.Argument(help="Such as chat, captions or embeddings.")],
    file: Annotated[
        Path,
        typer.Argument(help="JSON lines: bodies, or objects with `custom_id` and `body`."),
    ],
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Call an operation for each line of a file, at most 1,000."""
    items = _items(file)
    with api(key) as cluster:
        body = {"operation": operation, "items": items}
        show_one(_flat(cluster.post("batches", body=body)), as_json)


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
    """Print the items of a batch as JSON lines, in their order."""
    with api(key) as cluster:
        _print_items(cluster, batch, status)


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
