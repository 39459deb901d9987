"""`mobula keys`: a tenant's API keys, and the bootstrap admin key of this machine's home."""

from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, show, show_one
from cluster.cli.output import fail, print_plain, print_rich
from cluster.cli.policy_files import PolicyFile, read_policy

keys = new_app("API keys.")
COLUMNS = (
    "id",
    "name",
    "team",
    "scopes",
    "status",
    "created",
    "created_by",
    "expires",
    "last_used",
)
DAY_S = 86_400
Id = Annotated[str, typer.Argument(help="The key's id, its public part.")]


@keys.command("show")
def show_bootstrap() -> None:
    """Print the bootstrap admin key."""
    from cluster.auth.bootstrap import admin_key
    from cluster.runtime.settings import Settings

    settings = Settings()
    key = admin_key(settings.home, settings)
    if key is None:
        raise typer.Exit(
            fail(f"no admin key in {settings.home}; the first `mobula up` creates one")
        )
    print_plain(key)


@keys.command("list")
def list_keys(tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """List a tenant's keys. Secrets are not stored, so they are not shown."""
    with api(key) as cluster:
        rows = cluster.pages("tenants", cluster.tenant(tenant), "keys")
        show(list(rows), COLUMNS, as_json)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="The key's purpose.")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", "-s", help="Repeat for more. [default: generate, models:read]"),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until it expires. [default: ten years]")
    ] = None,
    policy: PolicyFile = None,
    team: Annotated[str | None, typer.Option(help="Id of a team.")] = None,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Create a key and print it; it is shown only once."""
    body: dict[str, Any] = {"name": name, "scopes": scope or ["generate", "models:read"]}
    body |= {} if days is None else {"expires_in_s": days * DAY_S}
    body |= {} if policy is None else {"policy": read_policy(policy)}
    body |= {} if team is None else {"team": team}
    with api(key) as cluster:
        show_one(cluster.post("tenants", cluster.tenant(tenant), "keys", body=body), as_json)


@keys.command()
def update(
    key_id: Id,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    policy: PolicyFile = None,
    team: Annotated[str | None, typer.Option(help="Id of a team; '' for none.")] = None,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change a key's name, limits or team; a policy of {} removes its limits."""
    body = {"name": name, "policy": None if policy is None else read_policy(policy), "team": team}
    with api(key) as cluster:
        path = ("tenants", cluster.tenant(tenant), "keys", key_id)
        show_one(cluster.patch(*path, body=body), as_json)


@keys.command("for-job")
def for_job(
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="Minutes until it expires.")] = 60,
    tenant: Tenant = None,
) -> None:
    """Create a short-lived key for a Ray job, and print the path of the file that holds it.

    Pass that path to the job as MOBULA_API_KEY_FILE: Ray logs a job's environment.
    """
    import httpx

    from cluster.cli.api import connect
    from cluster.cli.job_keys import TENANT, create_key
    from cluster.runtime.settings import Settings

    with connect(None) as http:
        try:
            ttl_s = minutes * 60
            key = create_key(http, Settings().home, tenant=tenant or TENANT, ttl_s=ttl_s)
        except httpx.HTTPError as error:
            raise typer.Exit(fail(f"no key was created: {error}")) from None
    print_plain(str(key.file))


@keys.command()
def rotate(
    key_id: Id,
    grace: Annotated[int, typer.Option(help="Seconds for which the old key stays valid.")] = 3600,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Replace a key and print the new one; it is shown only once."""
    with api(key) as cluster:
        path = ("tenants", cluster.tenant(tenant), "keys", key_id, "rotate")
        show_one(cluster.post(*path, body={"grace_s": grace}), as_json)


@keys.command()
def revoke(key_id: Id, tenant: Tenant = None, key: Key = None) -> None:
    """Revoke a key; every replica refuses it within a second."""
    with api(key) as cluster:
        cluster.delete("tenants", cluster.tenant(tenant), "keys", key_id)
        print_rich(f"{key_id} is revoked")
