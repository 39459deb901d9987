"""`mobula library`: posts of a tenant, from the draft to the schedule."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.api import Api, Json, Key, Row, Tenant, api, new_app, show, show_one
from cluster.cli.output import fail, print_plain, print_rich

library = new_app("Posts of a tenant: drafts, versions, approval, schedules.")
COLUMNS = ("id", "status", "platform", "title", "tags", "version", "scheduled", "updated")
VERSIONS = ("version", "author", "origin", "candidate", "note", "created")
STEPS = ("seq", "transition", "source", "target", "version", "actor", "note", "at")
METRICS = ("day", "impressions", "clicks", "likes", "comments", "shares", "saves", "conversions")
Post = Annotated[str, typer.Argument(help="The post's id.")]
Note = Annotated[str, typer.Option(help="Why, for the history.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Repeat for more.")]
_EXCERPT = 60  # characters in place of a title


@library.command("list")
def list_posts(
    query: Annotated[
        str | None, typer.Option("--query", "-q", help="Words; `roof*` is a beginning of one.")
    ] = None,
    status: Annotated[list[str] | None, typer.Option(help="Repeat for more.")] = None,
    tag: Tags = None,
    platform: Annotated[str | None, typer.Option()] = None,
    order: Annotated[str, typer.Option(help="newest, oldest or scheduled.")] = "newest",
    limit: Annotated[int, typer.Option(min=1)] = 50,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List or search posts."""
    with api(key) as cluster:
        conditions = {"q": query, "status": status, "tag": tag, "platform": platform}
        found = cluster.pages(
            "library", "posts", limit=limit, order=order, count=False, tenant=tenant, **conditions
        )
        show([_row(post) for post in found] if not as_json else list(found), COLUMNS, as_json)


@library.command("show")
def show_post(post: Post, tenant: Tenant = None, key: Key = None) -> None:
    """Print a post as JSON."""
    with api(key) as cluster:
        _print(cluster.get("library", "posts", post, tenant=tenant))


@library.command()
def create(
    file: Annotated[Path, typer.Argument(help="The text; - for stdin.")],
    title: Annotated[str, typer.Option()] = "",
    platform: Annotated[str, typer.Option()] = "",
    language: Annotated[str, typer.Option()] = "",
    tag: Tags = None,
    post: Annotated[str | None, typer.Option("--id", help="[default: one is made]")] = None,
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Save a draft, and print its id."""
    body = {"id": post, "title": title, "body": _read(file), "platform": platform}
    body["language"] = language
    with api(key) as cluster:
        sent = {**body, "tags": tag or []}
        made = cluster.post("library", "posts", body=sent, tenant=tenant)
        print_plain(made["id"])


@library.command()
def edit(
    post: Post,
    file: Annotated[Path | None, typer.Option(help="The new text; - for stdin.")] = None,
    title: Annotated[str | None, typer.Option()] = None,
    platform: Annotated[str | None, typer.Option()] = None,
    language: Annotated[str | None, typer.Option()] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="All tags from now on; repeat for more.")
    ] = None,
    note: Note = "",
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Edit a draft; a changed text or title makes a version."""
    body: dict[str, Any] = {"title": title, "platform": platform, "language": language}
    body |= {"body": None if file is None else _read(file), "tags": tag, "note": note or None}
    with api(key) as cluster:
        changed = cluster.patch(
            "library", "posts", post, body=body, tenant=tenant, headers=_seen(cluster, post, tenant)
        )
        show_one(_row(changed), as_json=False)


@library.command()
def move(
    post: Post,
    transition: Annotated[
        str,
        typer.Argument(
            help="submit, approve, publish, archive; back: withdraw, reject, reopen, unschedule, "
            "retract, restore."
        ),
    ],
    note: Note = "",
    external_id: Annotated[
        str | None, typer.Option(help="Of the published post, on its network.")
    ] = None,
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Move a post to another status."""
    body = {"transition": transition, "note": note, "external_id": external_id}
    _transition(post, body, tenant, key)


@library.command()
def schedule(
    post: Post,
    at: Annotated[str, typer.Argument(help="Such as 2026-12-24T18:00:00.")],
    zone: Annotated[str | None, typer.Option(help="Such as Europe/Berlin.")] = None,
    note: Note = "",
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Schedule an approved post, or a scheduled one for another time."""
    with api(key) as cluster:
        current = cluster.get("library", "posts", post, tenant=tenant)
    name = "reschedule" if current["status"] == "scheduled" else "schedule"
    _transition(post, {"transition": name, "at": at, "zone": zone, "note": note}, tenant, key)


@library.command()
def history(post: Post, tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """How a post got its status."""
    with api(key) as cluster:
        found = cluster.get("library", "posts", post, "transitions", tenant=tenant)
        show(found["data"], STEPS, as_json)


@library.command()
def versions(post: Post, tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """List a post's versions and candidates, newest first."""
    with api(key) as cluster:
        found = list(cluster.pages("library", "posts", post, "versions", tenant=tenant))
        show(found, VERSIONS, as_json)


@library.command()
def restore(
    post: Post,
    version: Annotated[int, typer.Argument(help="The version's number.")],
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Make a copy of a version, or of a candidate, the current one."""
    with api(key) as cluster:
        seen = _seen(cluster, post, tenant)
        path, body = ("library", "posts", post, "restore"), {"version": version}
        restored = cluster.post(*path, body=body, tenant=tenant, headers=seen)
        show_one(_row(restored), as_json=False)


@library.command()
def similar(post: Post, tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """Find posts that mean about the same."""
    with api(key) as cluster:
        found = cluster.get("library", "posts", post, "similar", tenant=tenant)
        if not found["supported"]:
            raise typer.Exit(fail(found["reason"]))
        rows = found["data"] if as_json else [_row(each) for each in found["data"]]
        show(rows, ("score", *COLUMNS), as_json)


@library.command()
def metrics(post: Post, tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """What came of a post in the last 30 days."""
    with api(key) as cluster:
        found = cluster.get("library", "posts", post, "metrics", tenant=tenant)
    if as_json:
        _print(found)
    else:
        show([*found["data"], {"day": "total", **found["total"]}], METRICS, as_json=False)


@library.command()
def export(
    status: Annotated[list[str] | None, typer.Option(help="Repeat for more.")] = None,
    tag: Tags = None,
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Print every post as a line of JSON, oldest first."""
    with api(key) as cluster:
        for line in cluster.lines(
            "library", "posts", "export", status=status, tag=tag, tenant=tenant
        ):
            print_plain(line)


@library.command()
def delete(post: Post, tenant: Tenant = None, key: Key = None) -> None:
    """Delete a post with all its versions."""
    with api(key) as cluster:
        cluster.delete(
            "library", "posts", post, tenant=tenant, headers=_seen(cluster, post, tenant)
        )
        print_rich(f"{post} is deleted")


def _transition(post: str, body: dict[str, Any], tenant: str | None, key: str | None) -> None:
    given = {name: value for name, value in body.items() if value is not None}
    with api(key) as cluster:
        seen = _seen(cluster, post, tenant)
        path = ("library", "posts", post, "transitions")
        moved = cluster.post(*path, body=given, tenant=tenant, headers=seen)
        show_one(_row(moved), as_json=False)


def _seen(cluster: Api, post: str, tenant: str | None) -> dict[str, str]:
    """If-Match with the post as it is now: what a person sees before a command."""
    current = cluster.get("library", "posts", post, tenant=tenant)
    return {"If-Match": f'"{current["revision"]}"'}


def _row(post: Row) -> Row:
    """A post as a table shows it."""
    schedule = post["schedule"]
    shown = post["title"] or post["excerpt"][:_EXCERPT]
    local = None if schedule is None else f"{schedule['local']} {schedule['zone']}"
    names = ("id", "status", "platform", "tags", "version", "updated")
    row = {name: post[name] for name in names} | {"title": shown, "scheduled": local}
    return row | {"score": post["score"]} if "score" in post else row


def _print(value: Any) -> None:
    print_plain(json.dumps(value, indent=1, ensure_ascii=False))


def _read(file: Path) -> str:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.Exit(fail(f"{file}: {error}")) from None
    return text.strip()
