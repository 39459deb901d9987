"""`mobula scaling`: how deployments scale, why, and bounds by hand."""

from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, api, new_app, show, show_one

scaling = new_app("Scaling: how deployments stand, what was decided and why, bounds by hand.")
COLUMNS = ("at", "deployment", "ready", "before", "target", "bound", "reason")
Which = Annotated[str, typer.Argument(help="A model's id, or a deployment's name.")]


@scaling.command()
def status(key: Key = None, as_json: Json = False) -> None:
    """Show replicas, load, queues, breakers, bounds and the last decisions."""
    from cluster.cli.scaling_view import print_scaling

    with api(key) as cluster:
        found = cluster.get("scaling", "status")
    if as_json:
        show_one(found, as_json)
    else:
        print_scaling(found)


@scaling.command()
def history(
    deployment: Annotated[
        str | None, typer.Argument(help="Only this model's or deployment's.")
    ] = None,
    most: Annotated[int, typer.Option("--most", "-n", help="This many at most.")] = 20,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show what was decided, newest first."""
    with api(key) as cluster:
        rows = list(cluster.pages("scaling", "history", most=most, deployment=deployment))
    show(rows, COLUMNS, as_json)


@scaling.command()
def hold(
    deployment: Which,
    floor: Annotated[int | None, typer.Option(help="Replicas at least.")] = None,
    ceiling: Annotated[int | None, typer.Option(help="Replicas at most.")] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", help="Seconds. [default: until `release`]")
    ] = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Keep a deployment within bounds, in the place of those that it had."""
    said = {"floor": floor, "ceiling": ceiling, "for_s": for_s}
    body: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    with api(key) as cluster:
        show_one(cluster.put("scaling", deployment, "bounds", body=body), as_json)


@scaling.command()
def release(deployment: Which, key: Key = None) -> None:
    """Let the configuration alone say how a deployment scales."""
    with api(key) as cluster:
        cluster.delete("scaling", deployment, "bounds")
