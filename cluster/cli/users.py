"""`mobula users`: users of a tenant. Passwords are read from a prompt or standard input."""

from typing import Annotated

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, secret, show, show_one
from cluster.cli.output import print_rich

users = new_app("Users of a tenant.")
COLUMNS = ("id", "email", "role", "status", "created")
Id = Annotated[str, typer.Argument(help="The user's id.")]
ROLES = "owner, admin, developer, approver, editor, viewer, billing or operator."


@users.command("list")
def list_users(tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """List a tenant's users."""
    with api(key) as cluster:
        rows = cluster.pages("tenants", cluster.tenant(tenant), "users")
        show(list(rows), COLUMNS, as_json)


@users.command()
def create(
    email: str,
    role: Annotated[str, typer.Option(help=ROLES)] = "viewer",
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Add a user; asks for the password, or reads it from standard input."""
    with api(key) as cluster:
        body = {"email": email, "role": role, "password": secret("Password", twice=True)}
        show_one(cluster.post("tenants", cluster.tenant(tenant), "users", body=body), as_json)


@users.command()
def update(
    user: Id,
    role: Annotated[str | None, typer.Option(help=ROLES)] = None,
    status: Annotated[str | None, typer.Option(help="active or disabled.")] = None,
    password: Annotated[
        bool, typer.Option("--password", help="Prompt for a new password.")
    ] = False,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change a user's role, status or password; a new password ends the user's sessions."""
    with api(key) as cluster:
        new = secret("New password", twice=True) if password else None
        body = {"role": role, "status": status, "password": new}
        path = ("tenants", cluster.tenant(tenant), "users", user)
        show_one(cluster.patch(*path, body=body), as_json)


@users.command()
def delete(user: Id, tenant: Tenant = None, key: Key = None) -> None:
    """Delete a user."""
    with api(key) as cluster:
        cluster.delete("tenants", cluster.tenant(tenant), "users", user)
        print_rich(f"{user} is deleted")
