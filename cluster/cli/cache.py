"""`mobula cache`: how the cache does, and making what it holds worthless."""

from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, show, show_one
from cluster.cli.output import fail

cache = new_app("The cache: how it does, and emptying it.")
TIERS = ("l1", "l2", "l3")
COLUMNS = ("tier", "hits", "misses", "bytes", "entries", "evictions", "errors")
All = Annotated[bool, typer.Option("--all", help="Every tenant's; for the operator.")]


@cache.command()
def stats(
    tenant: Tenant = None, every: All = False, key: Key = None, as_json: Json = False
) -> None:
    """Show how each tier of the cache does, and what it saved."""
    with api(key) as cluster:
        found = cluster.get("cache", "stats", **_whose(tenant, every))
    if as_json:
        show_one(found, as_json)
        return
    tiers = {name: found.pop(name) for name in TIERS}
    show([{"tier": name, **(tiers[name] or {"hits": "off"})} for name in TIERS], COLUMNS, False)
    semantic = found.pop("semantic")
    show_one(found, False)
    if semantic is not None:
        show_one({"semantic": "", **semantic}, False)


@cache.command()
def clear(
    tag: Annotated[str | None, typer.Option(help="Only what is stored under this tag.")] = None,
    prefix: Annotated[
        str | None, typer.Option(help="Only what is stored under tags that start so.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only what this model answered.")] = None,
    tenant: Tenant = None,
    every: All = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Serve nothing any more that is cached by now: of a tenant, or only what an option names."""
    named = {"tag": tag, "prefix": prefix, "model": model}
    body: dict[str, Any] = {kind: name for kind, name in named.items() if name is not None}
    if len(body) > 1:
        raise typer.Exit(fail("give one of --tag, --prefix and --model"))
    with api(key) as cluster:
        path = ("cache", "invalidations")
        made = cluster.post(*path, body=body or {"everything": True}, **_whose(tenant, every))
    show_one(made, as_json)


def _whose(tenant: str | None, every: bool) -> dict[str, Any]:
    return {"tenant": tenant, "all_tenants": True if every else None}
