"""`mobula tenants`, `mobula limits` and `mobula usage`: tenants, their limits and usage."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.api import Api, Json, Key, Tenant, api, new_app, show, show_one
from cluster.cli.output import fail, print_plain, print_rich

tenants = new_app("Tenants of this cluster.")
COLUMNS = ("id", "name", "plan", "status", "created")
STATE = ("name", "kind", "unit", "capacity", "remaining", "reset_s")
Id = Annotated[str, typer.Argument(help="The tenant's id.")]
POLL_S = 0.5


@tenants.command("list")
def list_tenants(key: Key = None, as_json: Json = False) -> None:
    """List every tenant."""
    with api(key) as cluster:
        show(list(cluster.pages("tenants")), COLUMNS, as_json)


@tenants.command()
def create(
    tenant: Id,
    name: Annotated[str | None, typer.Option(help="[default: the id]")] = None,
    plan: Annotated[str, typer.Option(help="The plan's id.")] = "default",
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Add a tenant."""
    with api(key) as cluster:
        body = {"id": tenant, "name": name or tenant, "plan": plan}
        show_one(cluster.post("tenants", body=body), as_json)


@tenants.command("show")
def show_tenant(tenant: Id, key: Key = None, as_json: Json = False) -> None:
    """Show one tenant."""
    with api(key) as cluster:
        show_one(cluster.get("tenants", tenant), as_json)


@tenants.command()
def update(
    tenant: Id,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    plan: Annotated[str | None, typer.Option(help="Id of the new plan.")] = None,
    status: Annotated[str | None, typer.Option(help="active or suspended.")] = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change a tenant's name, plan or status."""
    with api(key) as cluster:
        body = {"name": name, "plan": plan, "status": status}
        show_one(cluster.patch("tenants", tenant, body=body), as_json)


@tenants.command()
def suspend(tenant: Id, key: Key = None) -> None:
    """Refuse all requests of a tenant from now on; its data stays."""
    with api(key) as cluster:
        cluster.delete("tenants", tenant)
        print_rich(
            f"{tenant} is suspended; `mobula tenants update {tenant} --status active` undoes it"
        )


@tenants.command()
def export(
    tenant: Id,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write, a ZIP.")],
    user: Annotated[str | None, typer.Option(help="Only what is of this user, by id.")] = None,
    key: Key = None,
) -> None:
    """Save what is stored of a tenant, or of one of its users."""
    with api(key) as cluster:
        job = cluster.post("tenants", tenant, "export", body={"user": user})
        job = _ended(cluster, job, "export")
        cluster.download(job["url"], out)
        print_rich(f"{out}: {sum(job['tables'].values())} rows, sha256 {job['sha256']}")


@tenants.command()
def erase(
    tenant: Id,
    user: Annotated[str | None, typer.Option(help="Only what is of this user, by id.")] = None,
    confirm: Annotated[
        str | None, typer.Option(help="The tenant's id once more; asked for if left out.")
    ] = None,
    key: Key = None,
) -> None:
    """Delete what is stored of a tenant, or of one of its users. It cannot be undone."""
    repeated = confirm or typer.prompt(f"This cannot be undone. Repeat the id, {tenant}")
    with api(key) as cluster:
        body = {"confirm": repeated, "user": user}
        job = _ended(cluster, cluster.post("tenants", tenant, "erase", body=body), "erase")
        print_rich(f"{sum(job['tables'].values())} rows are deleted; job {job['job']}")


def _ended(cluster: Api, job: dict[str, Any], kind: str) -> dict[str, Any]:
    """The job once it has succeeded; one that fails ends the command."""
    while job["ended"] is None:
        time.sleep(POLL_S)
        job = cluster.get("tenants", job["tenant"], kind, job["job"])
    if job["state"] != "succeeded":
        detail = (job["problem"] or {}).get("detail", "")
        raise typer.Exit(fail(f"job {job['job']} has {job['state']}: {detail}"))
    return job


@tenants.command("settings")
def tenant_settings(
    tenant: Tenant = None,
    default_model: Annotated[
        str | None, typer.Option(help="Answers requests that name no model.")
    ] = None,
    default_embedding_model: Annotated[
        str | None, typer.Option(help="Answers requests for embeddings that name no model.")
    ] = None,
    generation_events: Annotated[
        str | None, typer.Option(help="Events of generations: counted (per minute) or sampled.")
    ] = None,
    generation_event_ratio: Annotated[
        float | None, typer.Option(help="The part of requests that is sampled. [default: 0.01]")
    ] = None,
    authors_may_approve: Annotated[
        bool | None, typer.Option(help="Whether approvers may approve posts of their own.")
    ] = None,
    default_style: Annotated[
        str | None, typer.Option(help="Of captions and posts that name none.")
    ] = None,
    default_language: Annotated[str | None, typer.Option(help="The same.")] = None,
    default_platform: Annotated[str | None, typer.Option(help="The same.")] = None,
    zone: Annotated[
        str | None, typer.Option(help="Of times that name none, such as Europe/Berlin.")
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option(help="A setting to clear; repeat for more.")
    ] = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show what a tenant has set for itself, or change it."""
    given = {
        "default_model": default_model,
        "default_embedding_model": default_embedding_model,
        "generation_events": generation_events,
        "generation_event_ratio": generation_event_ratio,
        "authors_may_approve": authors_may_approve,
        "default_style": default_style,
        "default_language": default_language,
        "default_platform": default_platform,
        "zone": zone,
    }
    body: dict[str, str | float | None] = {name.replace("-", "_"): None for name in unset or ()}
    body |= {name: value for name, value in given.items() if value is not None}
    with api(key) as cluster:
        path = ("tenants", cluster.tenant(tenant), "settings")
        if body:
            show_one(cluster.patch(*path, body=body, with_none=True), as_json)
        else:
            show_one(cluster.get(*path), as_json)


def limits(tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """Show a tenant's limits and what remains of them."""
    with api(key) as cluster:
        response = cluster.get("tenants", cluster.tenant(tenant), "limits")
    if as_json:
        show_one(response, as_json)
        return
    state = response.pop("state")
    show_one({**response.pop("plan"), **response}, as_json)
    show(state, STATE, as_json)


MONEY_COLUMNS = ("cost", "revenue")
FILTERS = ("key", "model", "team", "end_user", "tag", "provider")


def usage(
    since: Annotated[str | None, typer.Option("--from", help="First day (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day (UTC).")] = None,
    group_by: Annotated[
        list[str] | None,
        typer.Option(
            help="day, key, model, unit, tenant, or one of team, end_user, tag and provider; "
            "repeat for more."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Usage of one key, model, team, end_user, tag or provider, such as team=web; "
            "repeat for more."
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show usage by unit. Cost and revenue are in millionths of the currency."""
    groups, filters = group_by or [], dict(map(_filter, only or ()))
    query: dict[str, Any] = {"from": since, "to": until, "tenant": tenant, **filters}
    query["group_by"] = groups or None
    with api(key) as cluster:
        if csv:
            print_plain(cluster.text("text/csv", "usage", **query), end="")
            return
        data = list(cluster.pages("usage", **query))
    units = sorted({unit for row in data for unit in row["amounts"]})
    rows = [
        {**row["group"], **row["amounts"], **{m: row[m] for m in MONEY_COLUMNS}} for row in data
    ]
    show(data if as_json else rows, (*groups, *units, *MONEY_COLUMNS), as_json)


def _filter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or name not in FILTERS:
        raise typer.Exit(fail(f"--only is NAME=VALUE, with one of {', '.join(FILTERS)}"))
    return name, value
