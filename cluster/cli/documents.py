"""`mobula documents`: sending, listing, reading and asking documents."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli import api as cluster_api
from cluster.cli.api import Json, Key, api, new_app, show, show_one
from cluster.cli.output import errors, fail, print_plain

documents = new_app("Documents: sending, reading, questions with citations.")

DocumentId = Annotated[str, typer.Argument(metavar="DOCUMENT", help="The document's id.")]
COLUMNS = ("id", "name", "state", "format", "pages", "chunks", "created")
UPLOAD_S, POLL_S = 600.0, 0.5


@documents.command()
def add(
    source: Annotated[str, typer.Argument(help="A file of this machine, or a URL.")],
    name: Annotated[str | None, typer.Option(help="[default: the file's]")] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Where it is indexed.")
    ] = None,
    password: Annotated[str | None, typer.Option(help="Of an encrypted PDF.")] = None,
    without_ocr: Annotated[
        bool, typer.Option("--without-ocr", help="Recognise no pages that are pictures.")
    ] = False,
    without_index: Annotated[
        bool, typer.Option("--without-index", help="Only read it; it cannot be asked then.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for its job.")] = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Send a document, and wait until it can be asked."""
    given = {"name": name, "collection": collection, "password": password}
    fields: dict[str, Any] = {each: value for each, value in given.items() if value is not None}
    fields |= {"ocr": False} if without_ocr else {}
    fields |= {"index": False} if without_index else {}
    if source.startswith(("http://", "https://")):
        with api(key) as cluster:
            document = cluster.post("documents", body={"url": source, **fields})
    else:
        document = _send(Path(source), fields, key)
    if document["job"] and not no_wait:
        document = _wait(document, key)
    if document["state"] == "failed":
        raise typer.Exit(fail(str((document["problem"] or {}).get("detail", "it has failed"))))
    show_one(document, as_json)


@documents.command("list")
def list_documents(
    state: Annotated[str | None, typer.Option(help="reading, readable, indexed, failed.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List documents, newest first."""
    with api(key) as cluster:
        show(list(cluster.pages("documents", limit=limit, state=state)), COLUMNS, as_json)


@documents.command("show")
def show_document(document: DocumentId, key: Key = None, as_json: Json = False) -> None:
    """Show how a document stands."""
    with api(key) as cluster:
        show_one(cluster.get("documents", document), as_json)


@documents.command()
def text(
    document: DocumentId,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Mark headings, lists, tables.")
    ] = False,
    key: Key = None,
) -> None:
    """Print what a document says."""
    form = "markdown" if markdown else "text"
    with api(key) as cluster:
        print_plain(cluster.text("text/*", "documents", document, "text", format=form), end="")


@documents.command()
def summarize(
    document: DocumentId,
    sentences: Annotated[int, typer.Option("--sentences", "-n", min=1)] = 5,
    by_model: Annotated[bool, typer.Option("--by-model", help="Let a text model write.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m")] = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print the sentences that stand for the whole, with their pages, or a model's summary."""
    body: dict[str, Any] = {"method": "model" if by_model else "extractive", "sentences": sentences}
    if model is not None:
        body["model"] = model
    with api(key) as cluster:
        answer = cluster.post("documents", document, "summary", body=body)
    if as_json:
        show_one(answer, as_json)
        return
    if answer["fallback"] is not None:
        print(answer["fallback"]["reason"], file=sys.stderr)
    for citation in answer["citations"]:
        print_plain(f"p. {citation['page']}: {citation['quote']}")
    if not answer["citations"] and answer["text"] is not None:
        print_plain(answer["text"])


@documents.command()
def ask(
    question: Annotated[str, typer.Argument()],
    document: Annotated[
        list[str] | None, typer.Option("--document", "-d", help="Only these; more than once.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="[default: documents]")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="extractive or model. [default: by the model's size]"),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m")] = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Answer a question from documents, with the quotes that it stands on."""
    given = {
        "documents": document or None,
        "collection": collection,
        "method": method,
        "model": model,
    }
    body = {name: value for name, value in given.items() if value is not None}
    with api(key) as cluster:
        answer = cluster.post("documents", "ask", body={"question": question, **body})
    if as_json:
        show_one(answer, as_json)
        return
    print_plain(answer["answer"])
    if answer["reason"]:
        print(answer["reason"], file=sys.stderr)
    for citation in answer["citations"]:
        place = f"{citation['name']}, p. {citation['page']}"
        print_plain(f"[{citation['number']}] {place}: {citation['quote']}")


@documents.command()
def delete(document: DocumentId, key: Key = None) -> None:
    """Delete a document, and what is indexed of it."""
    with api(key) as cluster:
        cluster.delete("documents", document)


def _send(file: Path, fields: dict[str, Any], key: str | None) -> dict[str, Any]:
    import httpx

    from cluster.cli.media_client import reason

    if not file.is_file():
        raise typer.Exit(fail(f"{file} is not a file"))
    data = {name: str(value).lower() if value is False else value for name, value in fields.items()}
    try:
        with cluster_api.connect(key) as http, file.open("rb") as content:
            files = {"file": (file.name, content)}
            response = http.post("/api/v1/documents", files=files, data=data, timeout=UPLOAD_S)
    except httpx.HTTPError as error:
        why = f"the cluster does not answer: {error or type(error).__name__}"
        raise typer.Exit(fail(why)) from None
    if not response.is_success:
        raise typer.Exit(fail(reason(response)))
    document: dict[str, Any] = response.json()
    return document


def _wait(document: dict[str, Any], key: str | None) -> dict[str, Any]:
    """The document once no job works on it."""
    _follow(str(document["job"]), key)
    with api(key) as cluster:
        while document["state"] in ("reading", "readable"):
            time.sleep(POLL_S)
            document = cluster.get("documents", document["id"])
    return document


def _follow(job: str, key: str | None) -> None:
    """Shows how a job goes on until it has ended, where the key may see jobs."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from cluster.cli.media_client import ApiError, MediaClient, Retries

    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
    try:
        with (
            cluster_api.connect(key) as http,
            Progress(*columns, console=errors, disable=not errors.is_terminal) as progress,
        ):
            bar = progress.add_task("waiting", total=100.0)
            for name, data in MediaClient(http, Retries(print_plain)).events(job):
                if name == "progress":
                    progress.update(bar, description=data["stage"], completed=data["percent"])
    except ApiError:
        return
