"""The cache by HTTP: who may make what worthless, what is refused, and figures."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.invalidation.feed import InvalidationFeed
from cluster.runtime.clock import SystemClock
from deployments.contracts.cache import CacheStats, TierStats
from deployments.ingress.http.app import create_app
from deployments.ingress.names.model_names import ModelNames
from deployments.ingress.names.spec import NameSettings, NamesSpec
from tests.api.administration.world import ON_ITS_LOOP, World

CACHE, MAKE, STATS = "/api/v1/cache", "/api/v1/cache/invalidations", "/api/v1/cache/stats"
LONG = "x" * 101


async def known(world: World) -> InvalidationFeed:
    """What any replica knows now."""
    feed = InvalidationFeed(world.database, SystemClock())
    await feed.refresh()
    return feed


@pytest.mark.parametrize(
    ("body", "touched"),
    [
        ({"tag": "post:17"}, ("acme", "nano", ("post:17",))),
        ({"prefix": "post:"}, ("acme", "nano", ("post:17",))),
        ({"model": "nano"}, ("acme", "nano", ())),
        ({"everything": True}, ("acme", "words", ("x",))),
    ],
)
async def test_a_tenant_invalidates_its_own(
    world: World, body: dict[str, Any], touched: tuple[str, str, tuple[str, ...]]
) -> None:
    answer = await world.ask("developer", "POST", MAKE, json=body)

    assert answer.status_code == 200
    made = answer.json()
    kind = next(iter(body)).replace("everything", "tenant")
    name = "" if kind == "tenant" else next(iter(body.values()))
    assert made == {
        "tenant": "acme", "kind": kind, "name": name, "seq": made["seq"], "visible_within_s": 1.0
    }  # fmt: skip
    generations = (await known(world)).generations
    assert not generations.is_valid(*touched, as_of=made["seq"] - 1)
    assert generations.is_valid(*touched, as_of=made["seq"])
    assert generations.is_valid("other", *touched[1:], as_of=0)


@pytest.mark.parametrize(
    ("query", "kind", "name"),
    [
        ({}, "tenant", ""),
        ({"everything": "true"}, "tenant", ""),
        ({"tag": "post:17"}, "tag", "post:17"),
        ({"prefix": "post:"}, "prefix", "post:"),
        ({"model": "Qwen/Qwen3"}, "model", "Qwen/Qwen3"),
        ({"tenant": "acme", "tag": "a"}, "tag", "a"),
    ],
)
async def test_the_same_by_query(world: World, query: dict[str, str], kind: str, name: str) -> None:
    answer = await world.ask("owner", "DELETE", CACHE, params=query)

    assert answer.status_code == 200
    made = answer.json()
    assert (made["tenant"], made["kind"], made["name"]) == ("acme", kind, name)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "one of: tag, prefix, model, everything"),
        ({"everything": False}, 422, "one of"),
        ({"tag": "a", "model": "b"}, 422, "one of"),
        ({"tag": "a", "everything": True}, 422, "one of"),
        ({"tag": 5}, 422, "string"),
        ({"everything": "yes"}, 422, "boolean"),
        ({"tags": ["a"]}, 422, "tags"),
        ({"tag": ""}, 422, "at least 1"),
        ({"tag": LONG}, 400, "1 to 100 characters"),
        ({"tag": "a b"}, 400, "tag: is"),
        ({"prefix": "post:*"}, 400, "prefix: is"),
        ({"model": "a\u0000b"}, 400, "model: is"),
        ({"model": "x" * 201}, 422, "at most 200"),
    ],
)
@ON_ITS_LOOP
async def test_a_body_that_says_nothing_clear_is_refused(
    unchanged_world: World, body: dict[str, Any], status: int, words: str
) -> None:
    answer = await unchanged_world.ask("owner", "POST", MAKE, json=body)

    assert answer.status_code == status
    assert words in answer.text
    assert len((await known(unchanged_world)).generations) == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"tag": "a", "model": "b"}, 422),
        ({"tag": "a b"}, 400),
        ({"tga": "a"}, 422),
        ({"tenant": "Not An Id"}, 422),
        ({"all_tenants": "maybe"}, 422),
    ],
)
@ON_ITS_LOOP
async def test_a_mistyped_query_clears_nothing(
    unchanged_world: World, query: dict[str, str], status: int
) -> None:
    answer = await unchanged_world.ask("operator", "DELETE", CACHE, params=query)

    assert answer.status_code == status
    assert len((await known(unchanged_world)).generations) == 0


async def test_every_tenants_is_the_operators(world: World) -> None:
    everywhere = {"all_tenants": "true"}
    for method, path, body in (
        ("DELETE", CACHE, None),
        ("POST", MAKE, {"model": "nano"}),
        ("GET", STATS, None),
    ):
        mine = await world.ask("owner", method, path, params=everywhere, json=body)
        theirs = await world.ask("operator", method, path, params=everywhere, json=body)
        assert (mine.status_code, theirs.status_code) == (403, 200)
        assert mine.json()["required_scope"] == "admin"
        assert theirs.json()["tenant"] is None


@pytest.mark.parametrize("body", [{"tag": "a"}, {"prefix": "a"}])
async def test_tags_are_a_tenants_own(world: World, body: dict[str, str]) -> None:
    answer = await world.ask("operator", "POST", f"{MAKE}?all_tenants=true", json=body)

    assert answer.status_code == 400
    assert "name the tenant" in answer.text


async def test_one_tenant_or_all_of_them(world: World) -> None:
    both = {"tenant": "acme", "all_tenants": "true"}

    assert (await world.ask("operator", "DELETE", CACHE, params=both)).status_code == 422


async def test_the_trail_names_what_was_invalidated_by_whom(world: World) -> None:
    await world.ask("developer", "POST", MAKE, json={"tag": "post:17"})

    query = {"action": "cache.invalidate"}
    [record] = (await world.ask("owner", "GET", "/api/v1/audit", params=query)).json()["data"]
    assert record["resource"] == "cache:tag:post:17"
    assert record["actor"].startswith("user:")
    assert (await world.ask("operator", "GET", "/api/v1/audit/verify")).json()["ok"]


async def test_what_looks_like_a_secret_is_no_tag(world: World) -> None:
    tag = "mob_abcdefghijkl_" + "a" * 40
    answer = await world.ask("owner", "POST", MAKE, json={"tag": tag})

    assert answer.status_code == 400
    assert len((await known(world)).generations) == 0


async def test_figures_are_a_tenants_or_the_operators(world: World) -> None:
    asked: list[str | None] = []

    async def stats(tenant: str | None) -> CacheStats:
        asked.append(tenant)
        return CacheStats(replicas=2, l1=TierStats(hits=3, bytes=100), coalesced=4)

    world.app = create_app(replace(world.services, cache_stats=stats))
    own = (await world.ask("viewer", "GET", STATS)).json()
    every = (await world.ask("operator", "GET", STATS, params={"all_tenants": "true"})).json()
    await world.ask("operator", "GET", STATS, params={"tenant": "acme"})

    assert asked == ["acme", None, "acme"]
    assert (own["tenant"], every["tenant"]) == ("acme", None)
    assert (own["replicas"], own["coalesced"], own["l2"]) == (2, 4, None)
    assert own["l1"]["hits"] == 3


async def test_where_nothing_is_cached_every_tier_is_off(world: World) -> None:
    found = (await world.ask("viewer", "GET", STATS)).json()

    assert (found["replicas"], found["l1"], found["l2"], found["l3"]) == (0, None, None, None)


async def test_an_alias_means_its_model(world: World) -> None:
    """Answers are stored under models' ids."""
    aliases = {"gpt-4o": "words", "canary": {"weights": {"words": 1, "spare": 1}}}
    spec = NamesSpec.model_validate({"aliases": aliases})
    world.services.models.names = ModelNames(NameSettings(spec), ("words", "spare"))

    one = await world.ask("owner", "POST", MAKE, json={"model": "gpt-4o"})
    several = await world.ask("owner", "DELETE", CACHE, params={"model": "canary"})

    assert (one.json()["kind"], one.json()["name"]) == ("model", "words")
    assert several.status_code == 400
    assert "name one of them by its id" in several.json()["detail"]
