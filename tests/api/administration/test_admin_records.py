"""Usage, audit, events and webhooks by HTTP."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from cluster.runtime.clock import SystemClock
from cluster.secrets.key_files import load_pepper
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage.entries import UsageEntry
from cluster.usage.ledger import Ledger
from cluster.usage.price_book import PriceBook
from cluster.usage.pseudonyms import Pseudonyms
from tests.api.administration.world import HOOK, ON_ITS_LOOP, World
from tests.api.web import client_of, settings_of

DAY = 1_795_000_000.0  # 2026-11-18
SPAN = {"from": "2026-11-01", "to": "2026-11-30"}
HOOKS = "/api/v1/tenants/acme/webhooks"


@pytest.fixture
async def used(world: World) -> World:
    ledger = Ledger(world.database, "test", SystemClock())
    entry = UsageEntry(DAY, "acme", "k1", "nano", UsageAmounts(10, 5))
    ledger.add(entry)
    ledger.add(replace(entry, key="k2", model="=cmd|' /C calc'!A0"))
    ledger.add(replace(entry, tenant="other"))
    await ledger.flush()
    await ledger.close()
    return world


async def usage(world: World, caller: str, **query: Any) -> Any:
    return await world.ask(caller, "GET", "/api/v1/usage", params=SPAN | query)


async def test_usage_is_exact_and_the_tenants_own(used: World) -> None:
    [row] = (await usage(used, "viewer")).json()["data"]

    assert row["amounts"]["input_tokens"] == 20
    assert row["amounts"]["output_tokens"] == 10
    assert row["amounts"]["requests"] == 2


async def test_usage_is_grouped_as_asked(used: World) -> None:
    data = (await usage(used, "billing", group_by=["key", "day"])).json()["data"]

    assert [row["group"] for row in data] == [
        {"day": "2026-11-18", "key": "k1"},
        {"day": "2026-11-18", "key": "k2"},
    ]


async def test_grouped_by_tenant_the_operator_sees_all_and_others_themselves(
    used: World,
) -> None:
    async def tenants(caller: str) -> list[str]:
        data = (await usage(used, caller, group_by="tenant")).json()["data"]
        return [row["group"]["tenant"] for row in data]

    assert await tenants("operator") == ["acme", "other"]
    assert await tenants("viewer") == ["acme"]
    assert await tenants("stranger") == ["other"]


async def test_usage_comes_as_csv_without_formulas(used: World) -> None:
    answer = await used.ask(
        "viewer",
        "GET",
        "/api/v1/usage",
        params=SPAN | {"group_by": "model"},
        headers={"Accept": "text/csv"},
    )

    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/csv")
    assert lines[0].startswith("model,")
    assert lines[1].startswith("'=cmd")
    assert lines[2].startswith("nano,")


@pytest.fixture
async def split(world: World) -> World:
    pepper = load_pepper(world.home, settings_of(world.home))
    book = PriceBook(providers={"gpt": "openai"})
    ledger = Ledger(world.database, "test", SystemClock(), book=book, pseudonyms=Pseudonyms(pepper))
    plan = Plan(id="p", prices={Unit.TOKENS: 1_000})
    for team, user, model, tags in (
        ("web", "ana", "gpt", ("beta",)),
        ("web", "ben", "nano", ("beta", "checkout")),
        ("", "", "nano", ()),
    ):
        caller = Caller("acme", "k1", frozenset(), team=team, end_user=user)
        ledger.record_call(caller, plan, model, UsageAmounts(10), tags)
    await ledger.close()
    return world


async def amounts_by(world: World, name: str, **query: Any) -> dict[str, int]:
    answer = await world.ask("viewer", "GET", "/api/v1/usage", params={"group_by": name, **query})
    rows = answer.json()["data"]
    return {row["group"][name]: row["amounts"]["input_tokens"] for row in rows}


async def test_usage_by_team_provider_and_tag(split: World) -> None:
    assert await amounts_by(split, "team") == {"web": 20}
    assert await amounts_by(split, "provider") == {"local": 20, "openai": 10}
    assert await amounts_by(split, "tag") == {"beta": 20, "checkout": 10}
    assert await amounts_by(split, "model", tag="beta") == {"gpt": 10, "nano": 10}
    assert await amounts_by(split, "tag", model="gpt") == {"beta": 10}
    assert await amounts_by(split, "model", team="nobody") == {}


async def test_usage_of_an_end_user_is_asked_by_name_and_shown_by_pseudonym(split: World) -> None:
    [ana] = await amounts_by(split, "end_user", end_user="ana")
    everybody = await amounts_by(split, "end_user")

    assert ana.startswith("u_")
    assert len(everybody) == 2
    assert "ana" not in everybody
    assert await amounts_by(split, "model", end_user="ana") == {"gpt": 10}
    assert await amounts_by(split, "model", end_user=ana) == {"gpt": 10}
    assert await amounts_by(split, "model", end_user="cleo") == {}


async def test_a_report_names_the_currency_and_its_pages_follow(split: World) -> None:
    query: dict[str, Any] = {"group_by": ["tag", "model"], "limit": 2}
    first = (await split.ask("viewer", "GET", "/api/v1/usage", params=query)).json()
    query["cursor"] = first["next_cursor"]
    second = (await split.ask("viewer", "GET", "/api/v1/usage", params=query)).json()

    assert first["currency"] == "EUR"
    assert [row["group"] for row in first["data"] + second["data"]] == [
        {"model": "gpt", "tag": "beta"},
        {"model": "nano", "tag": "beta"},
        {"model": "nano", "tag": "checkout"},
    ]
    assert second["next_cursor"] is None
    assert first["data"][0]["revenue"] == 10


async def test_a_table_says_where_the_next_page_is(split: World) -> None:
    query: dict[str, Any] = {"group_by": "tag", "limit": 1}
    answer = await split.ask(
        "viewer", "GET", "/api/v1/usage", params=query, headers={"Accept": "text/csv"}
    )

    lines = answer.text.splitlines()
    assert lines[0].split(",")[-3:] == ["cost", "revenue", "currency"]
    assert lines[1].split(",")[0] == "beta"
    assert lines[1].split(",")[-1] == "EUR"
    query["cursor"] = answer.headers["mobula-next-cursor"]
    assert await amounts_by(split, "tag", **{**query, "group_by": "tag"}) == {"checkout": 10}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"group_by": ["team", "tag"]}, "group_by"),
        ({"group_by": ["key", "provider"]}, "group_by"),
        ({"group_by": "key", "end_user": "ana"}, "group_by"),
        ({"team": "web", "tag": "beta"}, "tag"),
        ({"group_by": "tag", "cursor": "bm9wZQ"}, "cursor"),
        ({"group_by": "tag", "cursor": "WyJhIiwiYiJd"}, "cursor"),
        ({"cursor": "WyJhIl0"}, "cursor"),
    ],
    ids=str,
)
@ON_ITS_LOOP
async def test_what_usage_does_not_know_is_refused_by_name(
    unchanged_world: World, query: dict[str, Any], param: str
) -> None:
    answer = await unchanged_world.ask("owner", "GET", "/api/v1/usage", params=query)

    assert (answer.status_code, answer.json()["param"]) == (400, param)


async def test_an_end_user_of_all_tenants_is_nobody(world: World) -> None:
    query = {"group_by": "tenant", "end_user": "ana"}
    answer = await world.ask("operator", "GET", "/api/v1/usage", params=query)

    assert (answer.status_code, answer.json()["param"]) == (400, "tenant")


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-12-01", "to": "2026-11-01"},
        {"from": "2020-01-01", "to": "2026-11-01"},
        {"from": "yesterday"},
        {"group_by": "secret"},
        {"since": "2026-11-01"},
        {"tenant": "a'; --"},
    ],
    ids=lambda query: " ".join(query.values()),
)
@ON_ITS_LOOP
async def test_an_odd_question_about_usage_is_refused(
    unchanged_world: World, query: dict[str, str]
) -> None:
    answer = await unchanged_world.ask("owner", "GET", "/api/v1/usage", params=query)

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def search(world: World, caller: str = "owner", **query: str) -> list[Any]:
    answer = await world.ask(caller, "GET", "/api/v1/audit", params={"limit": "200", **query})
    assert answer.status_code == 200
    return list(answer.json()["data"])


async def test_every_change_leaves_one_record_by_who_made_it(world: World) -> None:
    body = {"name": "mine", "scopes": ["generate"]}
    made = await world.ask("developer", "POST", "/api/v1/tenants/acme/keys", json=body)
    [record] = await search(world, resource=f"key:{made.json()['id']}")

    assert (record["action"], record["outcome"]) == ("key.create", "ok")
    assert record["request_id"] == made.headers["x-request-id"]
    assert record["actor"].startswith("user:")
    assert record["detail"] == {"scopes": "generate"}


async def test_the_trail_is_read_in_pages_and_exported_whole(world: World) -> None:
    everything = [(r["writer"], r["seq"]) for r in await search(world)]
    pages: list[tuple[str, int]] = []
    query = {"limit": "4"}
    while True:
        answer = (await world.ask("owner", "GET", "/api/v1/audit", params=query)).json()
        pages += [(record["writer"], record["seq"]) for record in answer["data"]]
        if answer["next_cursor"] is None:
            break
        query["cursor"] = answer["next_cursor"]
    exported = await world.ask("owner", "GET", "/api/v1/audit/export")

    assert len(everything) >= 10
    assert pages == everything
    lines = [json.loads(line) for line in exported.text.splitlines()]
    assert [(line["writer"], line["seq"]) for line in lines] == everything


async def test_the_operator_verifies_the_trail(world: World) -> None:
    good = (await world.ask("operator", "GET", "/api/v1/audit/verify")).json()
    async with world.database.begin() as connection:
        await connection.execute(
            text("UPDATE audit_records SET actor = 'key:x' WHERE action = 'tenant.create'")
        )
    bad = (await world.ask("operator", "GET", "/api/v1/audit/verify")).json()

    assert good["ok"], good["findings"]
    assert good["records"] > 10
    assert not bad["ok"]
    assert bad["alarms"] >= 2
    assert bad["findings"]


async def test_events_tell_of_changes_newest_first_in_pages(world: World) -> None:
    body = {"name": "mine", "scopes": ["generate"]}
    made = await world.ask("owner", "POST", "/api/v1/tenants/acme/keys", json=body)
    seen: list[Any] = []
    query: dict[str, str] = {"limit": "3"}
    while True:
        page = (await world.ask("owner", "GET", "/api/v1/events", params=query)).json()
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert seen[0]["kind"] == "key.created"
    assert seen[0]["data"]["id"] == made.json()["id"]
    assert len({event["id"] for event in seen}) == len(seen) > 5
    assert {event["tenant"] for event in seen} == {"acme"}
    assert world.notified == [("acme", "key.created", world.notified[0][2])]


@pytest.mark.parametrize("cursor", ["abc", "W10", "WzEsMl0", "bnVsbA", "e30"])
@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/audit"])
@ON_ITS_LOOP
async def test_a_forged_cursor_is_400(unchanged_world: World, path: str, cursor: str) -> None:
    answer = await unchanged_world.ask("owner", "GET", path, params={"cursor": cursor})

    assert answer.status_code in (200, 400)  # a well-formed one leads somewhere, or nowhere
    assert "Traceback" not in answer.text


async def test_a_webhook_s_secret_is_shown_once(world: World) -> None:
    made = (await world.ask("owner", "POST", HOOKS, json={"url": HOOK})).json()
    shown = await world.ask("owner", "GET", f"{HOOKS}/{made['id']}")
    rotated = await world.ask("owner", "POST", f"{HOOKS}/{made['id']}/rotate", json={})

    assert made["secret"].startswith("whsec_")
    assert made["kinds"] == ["*"]
    assert "secret" not in shown.json()
    assert rotated.json()["secret"] != made["secret"]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://user:pw@hooks.example.com/",
        "file:///etc/passwd",
        "https://localhost/",
        "https://hooks.example.com\r\nX-Evil: 1/",
    ],
)
@ON_ITS_LOOP
async def test_a_webhook_leads_to_public_https_only(unchanged_world: World, url: str) -> None:
    made = await unchanged_world.ask("owner", "POST", HOOKS, json={"url": url})
    path = f"{HOOKS}/{unchanged_world.ids['webhook']}"
    changed = await unchanged_world.ask("owner", "PATCH", path, json={"url": url})

    assert (made.status_code, changed.status_code) == (400, 400)
    assert made.json()["param"] == "url"


async def test_an_unknown_kind_of_event_is_refused(world: World) -> None:
    answer = await world.ask("owner", "POST", HOOKS, json={"url": HOOK, "kinds": ["key.melted"]})

    assert answer.status_code == 400
    assert answer.json()["param"] == "kinds.0"


async def test_a_test_event_is_written(world: World) -> None:
    path = f"{HOOKS}/{world.ids['webhook']}/test"
    sent = await world.ask("owner", "POST", path, json={})

    newest = (await world.ask("owner", "GET", "/api/v1/events")).json()["data"][0]
    assert newest["id"] == sent.json()["event"]
    assert newest["kind"] == "webhook.test"


async def test_without_a_store_administration_is_503_and_says_so(world: World) -> None:
    from deployments.ingress.http.app import create_app

    app = create_app(replace(world.services, admin=None))
    async with client_of(app, world.credentials["owner"]) as client:
        answer = await client.get("/api/v1/tenants/acme")

    assert answer.status_code == 503
    assert answer.json()["type"].endswith("/store-unavailable")
    assert answer.headers["retry-after"] == "2"


async def test_times_that_are_none_are_refused(world: World) -> None:
    """`0` is no day, an audit span is not backwards, and nothing is older than 1970."""
    refused = [
        ("GET", "/api/v1/usage?from=0", None),
        ("GET", "/api/v1/usage?from=1764547200", None),
        ("GET", "/api/v1/usage?to=2026-1-1", None),
        ("GET", "/api/v1/usage?from=2026-02-30", None),
        ("GET", "/api/v1/audit?from=0", None),
        ("GET", "/api/v1/audit?from=nan", None),
        ("GET", "/api/v1/audit?from=2000&to=1000", None),
        ("GET", "/api/v1/audit/export?to=0", None),
        ("POST", "/api/v1/audit/prune", {"before": 0}),
        ("POST", "/api/v1/audit/prune", {"before": "0"}),
        ("POST", "/api/v1/audit/prune", {"before": "1738368000"}),
    ]
    for method, path, body in refused:
        answer = await world.ask("operator", method, path, json=body)
        assert answer.status_code == 422, (path, body, answer.text)
