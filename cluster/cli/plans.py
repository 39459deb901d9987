"""`mobula plans`: limits and quotas that tenants can be assigned to."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, api, new_app, show, show_one
from cluster.cli.output import fail, print_plain, print_rich

plans = new_app("Plans: limits and quotas of tenants.")
COLUMNS = ("id", "name", "weight", "priority", "models", "reserve")
Id = Annotated[str, typer.Argument(help="The plan's id.")]


@plans.command("list")
def list_plans(key: Key = None, as_json: Json = False) -> None:
    """List the plans."""
    with api(key) as cluster:
        show(list(cluster.pages("plans")), COLUMNS, as_json)


@plans.command("show")
def show_plan(plan: Id, key: Key = None) -> None:
    """Print one plan as JSON, the form that `put` takes."""
    with api(key) as cluster:
        print_plain(json.dumps(cluster.get("plans", plan), indent=1))


@plans.command()
def put(
    file: Annotated[Path, typer.Argument(help="The plan as JSON or YAML.")],
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Add or replace a plan; every replica applies it within a second."""
    document = _read(file)
    with api(key) as cluster:
        show_one(cluster.put("plans", str(document["id"]), body=document), as_json)


@plans.command()
def delete(plan: Id, key: Key = None) -> None:
    """Delete a plan that no tenant uses."""
    with api(key) as cluster:
        cluster.delete("plans", plan)
        print_rich(f"{plan} is deleted")


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise typer.Exit(fail(f"{file}: {error}")) from None
    if not isinstance(document, dict) or not document.get("id"):
        raise typer.Exit(fail(f"{file}: is not a plan; a plan is an object with an `id`"))
    return document
