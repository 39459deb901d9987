"""`mobula tenants` and `mobula limits`: who uses this cluster, and what they may use."""

from typing import Annotated

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, show, show_one
from cluster.cli.output import print_rich

tenants = new_app("Tenants of this cluster.")
COLUMNS = ("id", "name", "plan", "status", "created")
STATE = ("name", "kind", "unit", "capacity", "remaining", "reset_s")
Id = Annotated[str, typer.Argument(help="The tenant's id.")]


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
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    plan: Annotated[str | None, typer.Option(help="Another plan, by its id.")] = None,
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
    """Refuse everything that the tenant asks from now on; its data stays."""
    with api(key) as cluster:
        cluster.delete("tenants", tenant)
        print_rich(
            f"{tenant} is suspended; `mobula tenants update {tenant} --status active` undoes it"
        )


def limits(tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """Show what a tenant may use, and how much of it is left."""
    with api(key) as cluster:
        answer = cluster.get("tenants", cluster.tenant(tenant), "limits")
    if as_json:
        show_one(answer, as_json)
        return
    state = answer.pop("state")
    show_one({**answer.pop("plan"), **answer}, as_json)
    show(state, STATE, as_json)
