"""`mobula search`: collections of points, what they hold, queries of them."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.api import Api, Json, Key, Row, api, new_app, show, show_one
from cluster.cli.output import fail, print_plain, print_rich

search = new_app("Collections of texts and vectors: what they hold, queries of them.")
COLUMNS = ("id", "name", "model", "dimensions", "points", "bytes", "reindexing", "updated")
RESULTS = ("score", "id", "text", "payload")
EXCERPT = 100  # characters of a text in a table
POINTS_AT_ONCE = 256
ENDED = ("succeeded", "failed", "canceled")
POLL_S = 1.0
Collection = Annotated[str, typer.Argument(help="The collection's id, or its name.")]
Filter = Annotated[
    str | None,
    typer.Option(help='Conditions on payloads as JSON, such as \'{"eq": {"lang": "en"}}\'.'),
]


@search.command()
def collections(
    limit: Annotated[int, typer.Option(min=1)] = 50, key: Key = None, as_json: Json = False
) -> None:
    """List collections."""
    with api(key) as cluster:
        show(list(cluster.pages("collections", limit=limit)), COLUMNS, as_json)


@search.command()
def create(
    name: Annotated[str, typer.Argument(help="Letters, digits, - and _.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="The embedding model; none: vectors of your own. [default: the tenant's]"
        ),
    ] = None,
    description: Annotated[str, typer.Option()] = "",
    metric: Annotated[str, typer.Option(help="cosine or dot.")] = "cosine",
    keep_days: Annotated[
        float | None, typer.Option(help="It is deleted so long after its last use.")
    ] = None,
    key: Key = None,
) -> None:
    """Make a collection, and print its id."""
    body: dict[str, Any] = {"name": name, "description": description, "metric": metric}
    body |= {"model": model, "keep_s": None if keep_days is None else keep_days * 86_400}
    with api(key) as cluster:
        print_plain(cluster.post("collections", body=body)["id"])


@search.command("show")
def show_collection(collection: Collection, key: Key = None, as_json: Json = False) -> None:
    """Show a collection."""
    with api(key) as cluster:
        show_one(cluster.get("collections", collection), as_json)


@search.command()
def put(
    collection: Collection,
    file: Annotated[
        Path, typer.Argument(help="Points as JSON Lines (id, text, vector, payload); - for stdin.")
    ],
    truncate: Annotated[
        bool, typer.Option(help="The vectors of texts that are too long are of their beginnings.")
    ] = False,
    key: Key = None,
) -> None:
    """Store points; those that are there already are replaced."""
    inserted = replaced = 0
    with api(key) as cluster:
        for points in _batches(file):
            body = {"points": points, "truncate": truncate}
            done = cluster.put("collections", collection, "points", body=body)
            inserted, replaced = inserted + done["inserted"], replaced + done["replaced"]
    print_rich(f"{inserted} points are new, {replaced} were replaced")


@search.command()
def query(
    collection: Collection,
    text: Annotated[str, typer.Argument(help="What is searched for.")],
    limit: Annotated[int, typer.Option(min=1, max=100)] = 10,
    mode: Annotated[str | None, typer.Option(help="hybrid, vector or text.")] = None,
    filter: Filter = None,
    explain: Annotated[bool, typer.Option(help="With the scores of meaning and words.")] = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Find points by meaning and by words."""
    body: dict[str, Any] = {"text": text, "limit": limit, "explain": explain}
    if mode is not None:
        body["mode"] = mode
    if filter is not None:
        body["filter"] = _parsed(filter)
    with api(key) as cluster:
        answer = cluster.post("collections", collection, "query", body=body)
    if as_json:
        print_plain(json.dumps(answer, indent=1, ensure_ascii=False))
        return
    columns = (*RESULTS, "explanation") if explain else RESULTS
    show([_row(each) for each in answer["results"]], columns, as_json=False)


@search.command()
def remove(
    collection: Collection,
    ids: Annotated[list[str] | None, typer.Argument(help="Of points.")] = None,
    filter: Filter = None,
    key: Key = None,
) -> None:
    """Delete points by their ids, or by a filter."""
    body = {"filter": _parsed(filter)} if filter is not None else {"ids": ids or []}
    with api(key) as cluster:
        deleted, is_complete = 0, False
        while not is_complete:
            done = cluster.post("collections", collection, "points", "delete", body=body)
            deleted, is_complete = deleted + done["deleted"], done["complete"]
    print_rich(f"{deleted} points are deleted")


@search.command()
def delete(collection: Collection, key: Key = None) -> None:
    """Delete a collection with all its points."""
    with api(key) as cluster:
        cluster.delete("collections", collection)
    print_rich(f"{collection} is deleted")


@search.command()
def reindex(
    collection: Collection,
    model: Annotated[
        str | None, typer.Option(help="The embedding model. [default: the collection's]")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Until the job has ended.")] = False,
    key: Key = None,
) -> None:
    """Make the vectors anew, and print the job. Queries are answered meanwhile."""
    body = {} if model is None else {"model": model}
    with api(key) as cluster:
        job = cluster.post("collections", collection, "reindex", body=body)
        print_plain(job["id"])
        if wait:
            _await_job(cluster, job)


def _await_job(cluster: Api, job: Row) -> None:
    while job["state"] not in ENDED:
        time.sleep(POLL_S)
        job = cluster.get("jobs", job["id"])
    if job["state"] != "succeeded":
        problem = job["problem"] or {}
        raise typer.Exit(fail(f"the job has {job['state']}: {problem.get('detail', '')}"))
    print_rich(f"{job['result']['points']} points have new vectors")


def _batches(file: Path) -> Iterator[list[Any]]:
    batch: list[Any] = []
    try:
        with sys.stdin if str(file) == "-" else file.open() as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    batch.append(_parsed(line, f"{file}:{number}"))
                if len(batch) == POINTS_AT_ONCE:
                    yield batch
                    batch = []
    except (OSError, UnicodeDecodeError) as error:
        raise typer.Exit(fail(f"{file}: {error}")) from None
    if batch:
        yield batch


def _parsed(text: str, where: str = "--filter") -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.Exit(fail(f"{where}: is not JSON: {error}")) from None


def _row(result: Row) -> Row:
    text = result.get("text") or ""
    shown = text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return {**result, "score": f"{result['score']:.4f}", "text": shown}
