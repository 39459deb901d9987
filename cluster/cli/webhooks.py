"""`mobula webhooks`: webhooks of a tenant, their deliveries and events."""

from typing import Annotated

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, show, show_one
from cluster.cli.output import print_rich

webhooks = new_app("Webhooks of a tenant, their deliveries and events.")
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
    """Send events to a URL. Prints the signing secret, which is shown only once."""
    with api(key) as cluster:
        body = {"url": url, "kinds": kind or ["*"]}
        path = ("tenants", cluster.tenant(tenant), "webhooks")
        show_one(cluster.post(*path, body=body), as_json)


@webhooks.command()
def update(
    webhook: Id,
    url: Annotated[str | None, typer.Option(help="New URL.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", "-k", help="New event kinds.")] = None,
    status: Annotated[str | None, typer.Option(help="active or disabled.")] = None,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change a webhook's URL, event kinds or status."""
    with api(key) as cluster:
        body = {"url": url, "kinds": kind or None, "status": status}
        path = ("tenants", cluster.tenant(tenant), "webhooks", webhook)
        show_one(cluster.patch(*path, body=body), as_json)


@webhooks.command()
def rotate(webhook: Id, tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """Create a new signing secret and print it; it is shown only once."""
    with api(key) as cluster:
        path = ("tenants", cluster.tenant(tenant), "webhooks", webhook, "rotate")
        show_one(cluster.post(*path, body={}), as_json)


@webhooks.command("test")
def send_test(webhook: Id, tenant: Tenant = None, key: Key = None) -> None:
    """Send a test event."""
    with api(key) as cluster:
        path = ("tenants", cluster.tenant(tenant), "webhooks", webhook, "test")
        print_rich(f"event {cluster.post(*path, body={})['event']} is queued")


@webhooks.command()
def deliveries(
    webhook: Id,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List a webhook's deliveries and their status."""
    with api(key) as cluster:
        path = ("tenants", cluster.tenant(tenant), "webhooks", webhook, "deliveries")
        show(list(cluster.pages(*path, limit=limit)), DELIVERIES, as_json)


@webhooks.command()
def delete(webhook: Id, tenant: Tenant = None, key: Key = None) -> None:
    """Delete a webhook."""
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
    """List a tenant's events."""
    with api(key) as cluster:
        show(list(cluster.pages("events", limit=limit, tenant=tenant)), EVENTS, as_json)
