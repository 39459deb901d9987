"""`mobula scaling`: scaling status, decisions with their reasons, and manual bounds."""

from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, api, new_app, show, show_one

scaling = new_app("Scaling: status, decisions with their reasons, manual bounds.")
COLUMNS = ("at", "deployment", "ready", "before", "target", "bound", "reason")
DeploymentName = Annotated[str, typer.Argument(help="A model's id, or a deployment's name.")]


@scaling.command()
def status(key: Key = None, as_json: Json = False) -> None:
    """Show replicas, load, queues, breakers, bounds and the last decisions."""
    from cluster.cli.scaling_view import print_scaling

    with api(key) as cluster:
        scaling_status = cluster.get("scaling", "status")
    if as_json:
        show_one(scaling_status, as_json)
    else:
        print_scaling(scaling_status)


@scaling.command()
def history(
    deployment: Annotated[str | None, typer.Argument(help="Only this model or deployment.")] = None,
    limit: Annotated[int, typer.Option("--most", "-n", help="At most this many.")] = 20,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show scaling decisions, newest first."""
    with api(key) as cluster:
        rows = list(cluster.pages("scaling", "history", limit=limit, deployment=deployment))
    show(rows, COLUMNS, as_json)


@scaling.command()
def hold(
    deployment: DeploymentName,
    floor: Annotated[int | None, typer.Option(help="Minimum replicas.")] = None,
    ceiling: Annotated[int | None, typer.Option(help="Maximum replicas.")] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", help="Seconds. [default: until `release`]")
    ] = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Set a deployment's bounds; replaces earlier ones."""
    bounds = {"floor": floor, "ceiling": ceiling, "for_s": for_s}
    body: dict[str, Any] = {name: value for name, value in bounds.items() if value is not None}
    with api(key) as cluster:
        show_one(cluster.put("scaling", deployment, "bounds", body=body), as_json)


@scaling.command()
def release(deployment: DeploymentName, key: Key = None) -> None:
    """Remove manual bounds; the configuration applies again."""
    with api(key) as cluster:
        cluster.delete("scaling", deployment, "bounds")
