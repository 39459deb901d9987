"""`mobula webhooks`: where a tenant's events go."""

from typing import Annotated

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, show, show_one
from cluster.cli.output import print_rich

webhooks = new_app("Webhooks: where a tenant's events go.")
COLUMNS = ("id", "url", "kinds", "status", "created")
DELIVERIES = ("kind", "status", "attempts", "next", "last_error", "event")
EVENTS = ("at", "kind", "data", "id")
Id = Annotated[str, typer.Argument(help="The webhook's id.")]


@webhooks.command("list")
def list_webhooks(tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """List a tenant's webhooks."""
    with api(key) as cluster:
        rows = cluster.pages("tenants", cluster.tenant(tenant), "webhooks")
        show(list(rows), COLUMNS, as_json)


@webhooks.command()
def create(
    url: str,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", "-k", help="`key.created`, `key.*`; repeat. [default: all]"),
    ] = None,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Send events to a URL; prints the secret that signs them, this once."""
    with api(key) as cluster:
        body = {"url": url, "kinds": kind or ["*"]}
        path = ("tenants", cluster.tenant(tenant), "webhooks")
        show_one(cluster.post(*path, body=body), as_json)


@webhooks.command()
def update(
    webhook: Id,
    url: Annotated[str | None, typer.Option(help="Another place.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", "-k", help="Other kinds.")] = None,
    status: Annotated[str | None, typer.Option(help="active or disabled.")] = None,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change where events go, which, or whether they do."""
    with api(key) as cluster:
        body = {"url": url, "kinds": kind or None, "status": status}
        path = ("tenants", cluster.tenant(tenant), "webhooks", webhook)
        show_one(cluster.patch(*path, body=body), as_json)


@webhooks.command()
def rotate(webhook: Id, tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """Make a new signing secret and print it, this once."""
    with api(key) as cluster:
        path = ("tenants", cluster.tenant(tenant), "webhooks", webhook, "rotate")
        show_one(cluster.post(*path, body={}), as_json)


@webhooks.command("test")
def send_test(webhook: Id, tenant: Tenant = None, key: Key = None) -> None:
    """Send a test event."""
    with api(key) as cluster:
        path = ("tenants", cluster.tenant(tenant), "webhooks", webhook, "test")
        print_rich(f"event {cluster.post(*path, body={})['event']} is on its way")


@webhooks.command()
def deliveries(
    webhook: Id,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List how sending to a webhook stands."""
    with api(key) as cluster:
        path = ("tenants", cluster.tenant(tenant), "webhooks", webhook, "deliveries")
        show(list(cluster.pages(*path, most=limit)), DELIVERIES, as_json)


@webhooks.command()
def delete(webhook: Id, tenant: Tenant = None, key: Key = None) -> None:
    """Send nothing there any more."""
    with api(key) as cluster:
        cluster.delete("tenants", cluster.tenant(tenant), "webhooks", webhook)
        print_rich(f"{webhook} is deleted")


@webhooks.command()
def events(
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List what happened in a tenant."""
    with api(key) as cluster:
        show(list(cluster.pages("events", most=limit, tenant=tenant)), EVENTS, as_json)
