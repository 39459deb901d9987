"""`mobula cache`: cache metrics and invalidation."""

from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, show, show_one
from cluster.cli.output import fail

cache = new_app("The cache: metrics and invalidation.")
TIERS = ("l1", "l2", "l3")
COLUMNS = ("tier", "hits", "misses", "bytes", "entries", "evictions", "errors")
All = Annotated[bool, typer.Option("--all", help="All tenants; operator only.")]


@cache.command()
def stats(
    tenant: Tenant = None, all_tenants: All = False, key: Key = None, as_json: Json = False
) -> None:
    """Show hits and misses of each cache tier, and the tokens it saved."""
    with api(key) as cluster:
        stats = cluster.get("cache", "stats", **_tenant_selection(tenant, all_tenants))
    if as_json:
        show_one(stats, as_json)
        return
    tiers = {name: stats.pop(name) for name in TIERS}
    show([{"tier": name, **(tiers[name] or {"hits": "off"})} for name in TIERS], COLUMNS, False)
    semantic = stats.pop("semantic")
    show_one(stats, False)
    if semantic is not None:
        show_one({"semantic": "", **semantic}, False)


@cache.command()
def clear(
    tag: Annotated[str | None, typer.Option(help="Only entries with this tag.")] = None,
    prefix: Annotated[
        str | None, typer.Option(help="Only entries whose tag has this prefix.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only responses of this model.")] = None,
    tenant: Tenant = None,
    all_tenants: All = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Invalidate cached responses of a tenant: all of them, or those that an option selects."""
    targets = {"tag": tag, "prefix": prefix, "model": model}
    body: dict[str, Any] = {kind: name for kind, name in targets.items() if name is not None}
    if len(body) > 1:
        raise typer.Exit(fail("give one of --tag, --prefix and --model"))
    with api(key) as cluster:
        path = ("cache", "invalidations")
        invalidation = cluster.post(
            *path, body=body or {"everything": True}, **_tenant_selection(tenant, all_tenants)
        )
    show_one(invalidation, as_json)


def _tenant_selection(tenant: str | None, all_tenants: bool) -> dict[str, Any]:
    return {"tenant": tenant, "all_tenants": True if all_tenants else None}
