"""`mobula teams`: groups of a tenant's API keys that share limits."""

from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, show, show_one
from cluster.cli.output import print_rich
from cluster.cli.policy_files import PolicyFile, read_policy

teams = new_app("Teams: groups of API keys that share limits.")
COLUMNS = ("id", "name", "created", "updated")
Id = Annotated[str, typer.Argument(help="The team's id.")]


@teams.command("list")
def list_teams(tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """List a tenant's teams."""
    with api(key) as cluster:
        show(list(cluster.pages("teams", tenant=tenant)), COLUMNS, as_json)


@teams.command()
def create(
    team: Id,
    name: Annotated[str | None, typer.Option(help="[default: the id]")] = None,
    policy: PolicyFile = None,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Create a team; `mobula keys update --team` puts keys into it."""
    body: dict[str, Any] = {"id": team, "name": name or team}
    body |= {} if policy is None else {"policy": read_policy(policy)}
    with api(key) as cluster:
        show_one(cluster.post("teams", body=body, tenant=tenant), as_json)


@teams.command("show")
def show_team(team: Id, tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """Show one team."""
    with api(key) as cluster:
        show_one(cluster.get("teams", team, tenant=tenant), as_json)


@teams.command()
def update(
    team: Id,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    policy: PolicyFile = None,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change a team's name or limits; a policy of {} removes its limits."""
    body = {"name": name, "policy": None if policy is None else read_policy(policy)}
    with api(key) as cluster:
        show_one(cluster.patch("teams", team, body=body, tenant=tenant), as_json)


@teams.command()
def delete(
    team: Id,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave its keys without a team.")
    ] = False,
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Delete a team that has no keys."""
    with api(key) as cluster:
        cluster.delete("teams", team, tenant=tenant, detach="true" if detach else None)
        print_rich(f"{team} is deleted")
