"""Collections over HTTP: making, changing and deleting them, their points, and queries."""

import base64
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from cluster.idempotency.store import IdempotencyStore
from cluster.runtime.clock import SystemClock
from deployments.ingress.http.app import create_app
from tests.api.administration.world import World

COLLECTIONS = "/api/v1/collections"


async def ask(
    world: World, method: str, path: str = "", caller: str = "developer", **rest: Any
) -> httpx.Response:
    return await world.ask(caller, method, f"{COLLECTIONS}{path}", **rest)


async def make(world: World, **body: Any) -> dict[str, Any]:
    made = await ask(world, "POST", json=body)
    assert made.status_code == 201, made.text
    answer: dict[str, Any] = made.json()
    return answer


async def put(world: World, name: str, *points: dict[str, Any], **more: Any) -> httpx.Response:
    return await ask(world, "PUT", f"/{name}/points", json={"points": list(points), **more})


async def find(world: World, name: str, **query: Any) -> list[str]:
    found = await ask(world, "POST", f"/{name}/query", json=query)
    assert found.status_code == 200, found.text
    return [each["id"] for each in found.json()["results"]]


async def test_texts_are_stored_and_found_by_meaning_and_by_words(world: World) -> None:
    made = await make(world, name="drinks", description="What we serve")
    assert (made["model"], made["points"], made["dimensions"]) == ("letters", 0, None)

    stored = await put(
        world, "drinks",
        {"id": "1", "text": "a cab", "payload": {"kind": "ride"}},
        {"id": "2", "text": "dad", "payload": {"kind": "man"}},
    )  # fmt: skip
    found = await ask(world, "POST", "/drinks/query", json={"text": "cab", "explain": True})

    assert stored.json() == {
        "object": "collection.points.put", "collection": made["id"], "inserted": 2, "replaced": 0,
        "sequence": 2, "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }  # fmt: skip
    answer = found.json()
    assert (answer["mode"], answer["matched"], answer["sequence"]) == ("hybrid", 2, 2)
    first = answer["results"][0]
    assert (first["id"], first["text"], first["payload"]) == ("1", "a cab", {"kind": "ride"})
    assert first["explanation"]["text_score"] > 0.5
    assert first["explanation"]["vector_rank"] == 1
    assert answer["usage"] == {"prompt_tokens": 1, "total_tokens": 1}
    shown = (await ask(world, "GET", "/drinks", "viewer")).json()
    assert (shown["points"], shown["dimensions"]) == (2, 4)


async def test_a_query_sees_what_was_stored_and_deleted_before_it(world: World) -> None:
    await make(world, name="c")
    await put(world, "c", {"id": "1", "text": "a"}, {"id": "2", "text": "b"})
    await put(world, "c", {"id": "1", "text": "d"})
    assert (await find(world, "c", text="d"))[0] == "1"

    gone = await ask(world, "POST", "/c/points/delete", json={"ids": ["1", "nobody"]})

    assert gone.json()["deleted"] == 1
    assert await find(world, "c", text="d") == ["2"]
    assert (await ask(world, "GET", "/c/points/1")).status_code == 404
    assert world.services.collections is not None
    search: Any = world.services.collections.search
    assert [each.collection.sequence for each in search.requests] == [3, 5]


async def test_points_are_deleted_by_a_filter(world: World) -> None:
    await make(world, name="c")
    await put(world, "c", *({"id": str(n), "text": "a", "payload": {"n": n}} for n in range(5)))

    gone = await ask(
        world, "POST", "/c/points/delete", json={"filter": {"range": {"n": {"gte": 2}}}}
    )

    assert (gone.json()["deleted"], gone.json()["complete"]) == (3, True)
    listed = (await ask(world, "GET", "/c/points?limit=1")).json()
    rest = (await ask(world, "GET", f"/c/points?cursor={listed['next_cursor']}")).json()
    assert [each["id"] for each in (*listed["data"], *rest["data"])] == ["0", "1"]


async def test_callers_may_give_vectors_of_their_own(world: World) -> None:
    made = await make(world, name="own", model="none", metric="dot")
    packed = base64.b64encode(np.array([0, 2], "<f4").tobytes()).decode()
    await put(
        world, "own", {"id": "x", "vector": [3, 0.5]}, {"id": "y", "vector": packed},
        {"id": "words", "text": "only words"},
    )  # fmt: skip

    assert made["model"] == "none"
    assert await find(world, "own", vector=[0, 1]) == ["y", "x"]
    assert await find(world, "own", text="words") == ["words"]
    shown = (await ask(world, "GET", "/own/points/x")).json()
    assert (shown["vector"], shown["text"]) == ([3.0, 0.5], "")
    other = await put(world, "own", {"id": "z", "vector": [1, 2, 3]})
    assert (other.status_code, other.json()["type"].rsplit("/", 1)[-1]) == (
        409, "dimensions-differ",
    )  # fmt: skip
    wrong = await ask(world, "POST", "/own/query", json={"vector": [1.0]})
    assert (wrong.status_code, wrong.json()["param"]) == (409, "vector")


@pytest.mark.parametrize(
    ("point", "status", "param"),
    [
        ({"id": "p"}, 422, "points.0"),
        ({"id": "a b", "text": "a"}, 422, "points.0.id"),
        ({"id": "p", "text": "a\x00"}, 422, "points.0.text"),
        ({"id": "p", "vector": "AAA="}, 422, "points.0.vector"),
        ({"id": "p", "vector": [1, "2"]}, 422, "points.0.vector.1"),
        ({"id": "p", "text": "a", "payload": {"x": "y" * 20_000}}, 422, "points.0.payload"),
        ({"id": "p", "text": "a", "vector": [0, 0, 0, 0]}, 400, "points.0.vector"),
        ({"id": "p", "vector": [1, 2, 3, 4], "extra": 1}, 422, "points.0.extra"),
    ],
)
async def test_what_is_no_point_is_refused(
    world: World, point: dict[str, Any], status: int, param: str
) -> None:
    refused = await put(world, "posts", point)

    assert (refused.status_code, refused.json()["param"]) == (status, param)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 422),
        ({"text": "a", "limit": 0}, 422),
        ({"text": "a", "alpha": 2}, 422),
        ({"vector": [1, 0, 0, 0], "mode": "hybrid"}, 400),
        ({"text": "a", "filter": {"like": {"x": 1}}}, 400),
        ({"text": "a", "filter": {}}, 400),
    ],
)
async def test_what_is_no_query_is_refused(
    world: World, query: dict[str, Any], status: int
) -> None:
    refused = await ask(world, "POST", "/posts/query", json=query)

    assert refused.status_code == status, refused.text


async def test_the_same_id_twice_is_refused(world: World) -> None:
    refused = await put(world, "posts", {"id": "1", "text": "a"}, {"id": "1", "text": "b"})

    assert (refused.status_code, "there twice" in refused.text) == (422, True)


async def test_a_repetition_with_the_same_key_changes_nothing(world: World) -> None:
    def secret_of(tenant: str) -> bytes:
        return tenant.encode().ljust(32, b"s")

    store = IdempotencyStore(world.database, secret_of, SystemClock())
    world.app = create_app(replace(world.services, idempotency=store))
    await make(world, name="c")
    body = {"points": [{"id": "1", "text": "a"}]}
    headers = {"Idempotency-Key": "once"}
    first = await ask(world, "PUT", "/c/points", json=body, headers=headers)
    again = await ask(world, "PUT", "/c/points", json=body, headers=headers)
    other = await ask(world, "PUT", "/posts/points", json=body, headers=headers)

    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert (await ask(world, "GET", "/c")).json()["sequence"] == 1
    assert other.json()["collection"] != first.json()["collection"]


async def test_collections_are_changed_and_deleted_with_their_records(world: World) -> None:
    made = await make(world, name="c", attributes={"team": "a"}, keep_s=3_600)
    changed = await ask(world, "PATCH", "/c", json={"name": "d", "keep_s": 0})
    taken = await ask(world, "POST", json={"name": "d"})
    gone = await ask(world, "DELETE", f"/{made['id']}")

    assert made["expires"] == pytest.approx(made["created"] + 3_600)
    assert (changed.json()["name"], changed.json()["expires"]) == ("d", None)
    assert (taken.status_code, taken.json()["param"]) == (409, "name")
    assert (gone.status_code, (await ask(world, "GET", "/d")).status_code) == (204, 404)
    kinds = [kind for _, kind, _ in world.notified]
    assert kinds == ["collection.created", "collection.updated", "collection.deleted"]
    records = (await world.ask("admin", "GET", "/api/v1/audit?tenant=acme")).json()["data"]
    actions = [each["action"] for each in records if each["action"].startswith("collection.")]
    assert sorted(actions) == [
        "collection.create", "collection.create", "collection.delete", "collection.update",
    ]  # fmt: skip


async def test_names_of_ids_are_no_names(world: World) -> None:
    refused = await ask(world, "POST", json={"name": "vs_mine"})

    assert refused.status_code == 422


async def test_another_tenant_has_its_own_collection_of_the_same_name(world: World) -> None:
    own = (await ask(world, "GET", "/posts")).json()
    theirs = await world.ask("stranger", "POST", COLLECTIONS, json={"name": "posts"})
    assert theirs.status_code == 201

    for path in (f"/{own['id']}", f"/{own['id']}/points", f"/{own['id']}/points/p"):
        assert (await ask(world, "GET", path, "stranger")).status_code == 404
    points = {"points": [{"id": "p", "text": "a cab", "payload": {"of": "stranger"}}]}
    stored = await ask(world, "PUT", "/posts/points", "stranger", json=points)
    assert stored.json()["collection"] == theirs.json()["id"]
    found = await ask(world, "POST", "/posts/query", "stranger", json={"text": "a bee"})
    assert [each["payload"] for each in found.json()["results"]] == [{"of": "stranger"}]
    assert await find(world, "posts", text="a bee", filter={"exists": "of"}) == []


async def test_a_key_without_the_scope_is_refused(world: World) -> None:
    refused = await ask(
        world, "PUT", "/posts/points", "viewer", json={"points": [{"id": "q", "text": "a"}]}
    )

    assert (refused.status_code, refused.json()["required_scope"]) == (403, "search:write")


async def test_without_a_search_a_query_says_so(world: World) -> None:
    object.__setattr__(world.services.collections, "search", None)

    refused = await ask(world, "POST", "/posts/query", json={"text": "a"})

    assert refused.status_code == 501
    assert "search" in refused.json()["detail"]
