"""`mobula posts`: drafts optimised, and the best time to post."""

import csv
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, api, new_app, show, show_one
from cluster.cli.output import fail, print_plain
from cluster.cli.text import Language, Model, Source, read_source

posts = new_app("Posts: drafts optimised with reasons, the best time to post.")

Platform = Annotated[str, typer.Option("--platform", "-p")]
Listed = Annotated[str | None, typer.Option(help="By commas.")]
GOALS = ("goal", "before", "after", "delta", "reason")
EDITS = ("rule", "reason", "before", "after")
HOURS = ("day", "hour", "index", "low", "high", "posts", "is_certain")
_SHOWN = 40  # characters of an edit


@posts.command()
def optimize(
    source: Source,
    platform: Platform = "instagram",
    goals: Annotated[
        str | None, typer.Option("--goals", "-g", help="By commas. [default: all]")
    ] = None,
    keywords: Listed = None,
    phrases: Annotated[
        list[str] | None, typer.Option("--keep", "-k", help="Words that have to stay; repeatable.")
    ] = None,
    rewrite: Annotated[str, typer.Option(help="rules, model or both.")] = "rules",
    model: Model = None,
    language: Language = None,
    why: Annotated[bool, typer.Option("--why", help="Show goals and edits beside.")] = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print the draft improved, or as it is where nothing helps."""
    body = {
        "text": read_source(source),
        "platform": platform,
        "goals": _split(goals),
        "keywords": _split(keywords),
        "phrases": phrases or None,
        "rewrite": rewrite,
        "model": model,
        "language": language,
    }
    answer = _post("optimize", body, key)
    if as_json:
        show_one(answer, as_json)
        return
    if why:
        show([_goal(name, goal) for name, goal in answer["goals"].items()], GOALS, False)
        edits = [edit for variant in answer["variants"][:1] for edit in variant["why"]]
        show([_edit(edit) for edit in edits], EDITS, False)
    if answer["reason"]:
        print(answer["reason"], file=sys.stderr)
    print_plain(answer["text"])


@posts.command("best-time")
def best_time(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with a header: at (ISO 8601 or Unix seconds), impressions, engagements."
        ),
    ],
    zone: Annotated[str, typer.Option("--zone", "-z", help="As Europe/Berlin.")] = "UTC",
    count: Annotated[int, typer.Option("--count", "-n", help="Hours to name.")] = 5,
    platform: Platform = "instagram",
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print the hours of the week in which posts did best."""
    body = {"outcomes": _outcomes(file), "zone": zone, "count": count, "platform": platform}
    answer = _post("best-time", body, key)
    if as_json:
        show_one(answer, as_json)
        return
    if answer["reason"]:
        raise typer.Exit(fail(answer["reason"]))
    show(answer["hours"], HOURS, False)


def _post(name: str, body: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    given = {field: value for field, value in body.items() if value is not None}
    with api(key) as cluster:
        answer: dict[str, Any] = cluster.post("posts", name, body=given)
    return answer


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]


def _goal(name: str, goal: Mapping[str, Any]) -> dict[str, Any]:
    if not goal["supported"]:
        return {"goal": name, "reason": goal["reason"]}
    return {"goal": name, **goal, "reason": goal["reason_after"]}


def _edit(edit: Mapping[str, Any]) -> dict[str, Any]:
    return {**edit, "before": edit["before"][:_SHOWN], "after": edit["after"].strip()[:_SHOWN]}


def _outcomes(file: Path) -> list[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return [_outcome(row) for row in csv.DictReader(lines)]
    except (OSError, UnicodeDecodeError, KeyError, ValueError, TypeError) as error:
        raise typer.Exit(fail(f"{file}: {error}")) from None


def _outcome(row: Mapping[str, str]) -> dict[str, Any]:
    at = row["at"]
    try:
        seconds = float(at)
    except ValueError:
        moment = datetime.fromisoformat(at)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    counts = {name: int(row[name]) for name in ("impressions", "engagements")}
    return {"at": seconds, **counts}
