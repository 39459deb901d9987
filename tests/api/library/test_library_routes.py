"""From a draft to a scheduled post over HTTP, and everything that is refused on the way."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.administration.world import World
from tests.api.library.posting import POSTS, create, move, moved

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(hour=9, minute=30, second=0)  # noqa: TID251 - the routes use the real time


async def test_a_draft_becomes_a_scheduled_post(world: World) -> None:
    made = await create(world, id="p", title="Roof", platform="x", tags=["Spring ", "spring"])
    post = made.json()
    assert (post["status"], post["tags"], post["revision"]) == ("draft", ["spring"], 1)
    assert made.headers["etag"] == '"1"'
    assert post["transitions"] == ["submit", "archive"]

    edited = await world.ask(
        "developer", "PATCH", f"{POSTS}/p", json={"body": "Tea", "note": "shorter"},
        headers={"If-Match": made.headers["etag"]},
    )  # fmt: skip
    assert (edited.json()["body"], edited.headers["etag"]) == ("Tea", '"2"')
    assert (await move(world, "developer", "p", "submit")).json()["status"] == "in_review"
    refused = await move(world, "developer", "p", "approve")
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "library:approve")
    approved = await move(world, "admin", "p", "approve")
    assert approved.json()["approved_by"].startswith("user:")
    local = TOMORROW.strftime("%Y-%m-%dT%H:%M:%S")
    scheduled = await move(world, "developer", "p", "schedule", at=local, zone="America/New_York")
    schedule = scheduled.json()["schedule"]
    assert schedule["local"][:19] == local
    assert (schedule["zone"], schedule["number"]) == ("America/New_York", 1)
    assert schedule["at"] == datetime.fromisoformat(schedule["local"]).timestamp()

    steps = (await world.ask("viewer", "GET", f"{POSTS}/p/transitions")).json()["data"]
    assert [each["transition"] for each in steps] == ["submit", "approve", "schedule"]
    versions = (await world.ask("viewer", "GET", f"{POSTS}/p/versions")).json()["data"]
    assert [(each["version"], each["note"]) for each in versions] == [(2, "shorter"), (1, "")]
    kinds = [kind for _, kind, _ in world.notified]
    assert kinds == ["post.created", "post.updated", *["post.status_changed"] * 3]


async def test_a_change_needs_the_etag_that_was_seen(world: World) -> None:
    await create(world, id="p")
    paths = (
        ("PATCH", f"{POSTS}/p", {"body": "x"}),
        ("POST", f"{POSTS}/p/transitions", {"transition": "submit"}),
        ("POST", f"{POSTS}/p/restore", {"version": 1}),
        ("DELETE", f"{POSTS}/p", None),
    )
    for method, path, body in paths:
        without = await world.ask("owner", method, path, json=body)
        stale = await world.ask("owner", method, path, json=body, headers={"If-Match": '"7"'})
        odd = await world.ask("owner", method, path, json=body, headers={"If-Match": "W/x"})

        assert (without.status_code, without.json()["type"][-21:]) == (
            428, "precondition-required",
        ), path  # fmt: skip
        assert (stale.status_code, stale.json()["revision"]) == (412, 1), path
        assert odd.status_code == 412
    same = await world.ask("viewer", "GET", f"{POSTS}/p", headers={"If-None-Match": '"1"'})
    assert (same.status_code, same.content) == (304, b"")


REFUSED_TIMES: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"at": "2020-01-01T00:00:00Z"}, 400, "time-in-past"),
    ({"at": "2030-03-31T02:30:00", "zone": "Europe/Berlin"}, 400, "time-does-not-exist"),
    ({"at": "2030-03-31T02:30:00"}, 400, "invalid-request"),
    ({"at": "2030-02-30T02:30:00Z"}, 400, "invalid-request"),
    ({"at": "2030-03-31T02:30:00", "zone": "../../etc/passwd"}, 400, "invalid-request"),
    ({}, 400, "invalid-request"),
    ({"at": "2099-01-01T00:00:00Z"}, 400, "invalid-request"),
    ({"at": "2030-01-01T00:00:00Z", "external_id": "1"}, 400, "invalid-request"),
    ({"at": 5}, 422, "malformed-payload"),
)


async def test_times_that_cannot_be_scheduled(world: World) -> None:
    await create(world, id="p")
    await moved(world, "p", "submit", "approve")

    for fields, status, slug in REFUSED_TIMES:
        refused = await move(world, "owner", "p", "schedule", **fields)
        found = (refused.status_code, refused.json()["type"].rpartition("/")[2])
        assert found == (status, slug), fields
    assert (await world.ask("owner", "GET", f"{POSTS}/p")).json()["status"] == "approved"


NO_POSTS: tuple[dict[str, Any], ...] = (
    {"body": ""},
    {"body": "a\u0000b"},
    {"body": "x" * 65_001},
    {"body": "x", "title": "a\nb"},
    {"body": "x", "tags": ["a,b"]},
    {"body": "x", "tags": [f"tag {number}" for number in range(21)]},
    {"body": "x", "tags": ["t"] * 101},
    {"body": "x", "id": "Upper"},
    {"body": "x", "status": "published"},
)


async def test_posts_that_are_none(world: World) -> None:
    for post in NO_POSTS:
        refused = await world.ask("owner", "POST", POSTS, json=post)
        assert refused.status_code == 422, refused.text
    raw, headers = b'{"body": "a\\ud800b"}', {"Content-Type": "application/json"}
    surrogate = await world.ask("owner", "POST", POSTS, content=raw, headers=headers)
    assert surrogate.status_code == 422


async def test_listings_filter_count_and_export(world: World) -> None:
    for number in range(3):
        await create(world, id=f"p{number}", platform="x", tags=["launch"], body=f"Number {number}")
    await moved(world, "p1", "submit")

    page = (await world.ask("viewer", "GET", f"{POSTS}?tag=launch&limit=2")).json()
    rest = await world.ask("viewer", "GET", f"{POSTS}?tag=launch&cursor={page['next_cursor']}")
    drafts = await world.ask("viewer", "GET", f"{POSTS}?status=draft&status=in_review&q=numb*")
    lines = (await world.ask("viewer", "GET", f"{POSTS}/export?tag=launch")).text.splitlines()

    assert ([each["id"] for each in page["data"]], page["total"]) == (["p2", "p1"], 3)
    assert [each["id"] for each in rest.json()["data"]] == ["p0"]
    assert [each["id"] for each in drafts.json()["data"]] == ["p2", "p1", "p0"]
    assert page["data"][0]["excerpt"] == "Number 2"
    assert [json.loads(line)["body"] for line in lines] == ["Number 0", "Number 1", "Number 2"]
    for query in ("status=none", "q=%20", "limit=1000", "cursor=abc", "tag=a,b", "color=red"):
        refused = await world.ask("viewer", "GET", f"{POSTS}?{query}")
        assert refused.status_code in (400, 422), query


async def test_bulk_changes_answer_for_each_post(world: World) -> None:
    for id in ("a", "b"):
        await create(world, id=id)
    await moved(world, "b", "submit")
    posts = [{"id": "a"}, {"id": "b"}, {"id": "none"}, {"id": "tea", "revision": 9}]

    body = {"posts": posts, "transition": {"transition": "submit"}}
    answer = (await world.ask("developer", "POST", f"{POSTS}/bulk", json=body)).json()
    tags = {"posts": posts[:2], "tags": {"add": ["new"], "remove": ["old"]}}
    tagged = (await world.ask("developer", "POST", f"{POSTS}/bulk", json=tags)).json()
    deleted = await world.ask(
        "owner", "POST", f"{POSTS}/bulk", json={"posts": posts[:1], "delete": True}
    )

    assert (answer["succeeded"], answer["failed"]) == (1, 3)
    found = [each["error"]["status"] if each["error"] else 200 for each in answer["data"]]
    assert found == [200, 409, 404, 412]
    assert [each["post"]["tags"] for each in tagged["data"]] == [["new"], ["new"]]
    assert deleted.json()["data"] == [{"id": "a", "status": "ok", "post": None, "error": None}]
    both = {"posts": posts[:1], "delete": True, "tags": {}}
    assert (await world.ask("owner", "POST", f"{POSTS}/bulk", json=both)).status_code == 422


async def test_similar_posts_come_by_the_embedder(world: World) -> None:
    await create(world, id="near", body="Tea on the roofs")
    await create(world, id="far", body="zzz zzz")

    answer = (await world.ask("viewer", "GET", f"{POSTS}/tea/similar")).json()
    again = (await world.ask("viewer", "GET", f"{POSTS}/tea/similar?limit=1")).json()

    assert (answer["supported"], answer["by"], answer["compared"]) == (True, "letters", 3)
    assert [each["id"] for each in answer["data"]] == ["near", "far"]
    assert answer["data"][0]["score"] > answer["data"][1]["score"]
    assert [each["id"] for each in again["data"]] == ["near"]
