"""`mobula usage`: what a tenant used, what it cost and what it brings."""

from typing import Annotated

import typer

from cluster.cli.api import Json, Key, Tenant, api, show
from cluster.cli.output import print_plain

MONEY = ("cost", "revenue")


def usage(
    since: Annotated[str | None, typer.Option("--from", help="First day (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day (UTC).")] = None,
    group_by: Annotated[
        list[str] | None, typer.Option(help="day, key, model or tenant; repeat for more.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show what was used, by unit. Cost and revenue are in millionths of the currency."""
    groups = group_by or []
    query = {"from": since, "to": until, "group_by": groups or None, "tenant": tenant}
    with api(key) as cluster:
        if csv:
            print_plain(cluster.text("text/csv", "usage", **query), end="")
            return
        data = cluster.get("usage", **query)["data"]
    units = sorted({unit for row in data for unit in row["amounts"]})
    rows = [{**row["group"], **row["amounts"], **{m: row[m] for m in MONEY}} for row in data]
    show(data if as_json else rows, (*groups, *units, *MONEY), as_json)
