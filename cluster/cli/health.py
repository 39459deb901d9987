"""`mobula health`: every dependency, how it is, and what follows while it is away."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from cluster.cli.api import Api, Json, Key, api, show_one
from cluster.cli.output import print_plain

EXIT_CODES = {"up": 0, "degraded": 2, "down": 3}  # 1: the cluster did not answer
WATCH_S = 2.0
_COLOURS = {"up": "green", "degraded": "yellow", "down": "bold red"}


def health(
    key: Key = None,
    as_json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Again every two seconds, until Ctrl-C.")
    ] = False,
) -> None:
    """Show every dependency: state, since when, and what follows while it is away.

    Exit code 0: all are up; 2: one is degraded; 3: one is down; 1: the cluster does not answer.
    With --watch it is that of the last answer.
    """
    with api(key) as cluster:
        if watch:
            raise typer.Exit(_watch(cluster, as_json))
        found = cluster.get("health", "dependencies")
    if as_json:
        show_one(found, as_json)
    else:
        _print_dependencies(found)
    raise typer.Exit(EXIT_CODES.get(found["state"], 1))


def _watch(cluster: Api, as_json: bool) -> int:
    """Until Ctrl-C; the exit code of the last answer. With `as_json` a line for each answer."""
    from cluster.cli.output import console

    code = 1
    with suppress(KeyboardInterrupt):
        while True:
            try:
                found = cluster.get("health", "dependencies")
            except typer.Exit:  # the reason has been printed; it may answer again
                code = 1
            else:
                code = EXIT_CODES.get(found["state"], 1)
                if as_json:
                    print_plain(json.dumps(found))
                else:
                    console.clear()
                    _print_dependencies(found)
            time.sleep(WATCH_S)
    return code


def _print_dependencies(found: Mapping[str, Any]) -> None:
    from rich.box import SIMPLE
    from rich.markup import escape
    from rich.table import Table

    from cluster.cli.output import console

    table = Table("dependency", "state", "for", "latency", "what is wrong", box=SIMPLE)
    for each in found["dependencies"]:
        colour = _COLOURS.get(each["state"], "dim")
        table.add_row(
            escape(each["name"]),
            f"[{colour}]{each['state']}[/]",
            _age(found["at"], each["since"]),
            "" if each["latency_s"] is None else f"{1000 * each['latency_s']:.0f} ms",
            escape(each["detail"]),
        )
    console.print(table)
    for each in _faults(found["dependencies"]):
        console.print(f"[bold]{escape(each['name'])}[/]  {escape(each['consequence'])}")
    console.print(f"as {found['ingress_replicas']} ingress replicas see it")


def _faults(dependencies: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in dependencies if each["state"] in ("degraded", "down")]


def _age(at: float, since: float | None) -> str:
    """Such as `40 s`, `12 min` or `3.5 h`."""
    if since is None:
        return ""
    seconds = max(0.0, at - since)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
