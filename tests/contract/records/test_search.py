"""Search finds what was asked for, in pages that stay stable, and only the tenant's own."""

import json

import pytest

from cluster.audit.search import Filters, export, search
from cluster.runtime.problems import InvalidRequest
from tests.contract.records.records import Audit, record

ACTIONS = ("key.create", "key_rotate", "keys", "Key.create", "chat")


async def test_pages_hold_every_record_once_while_more_arrive(audit: Audit) -> None:
    trail = audit.trail()
    for number in range(45):
        trail.enqueue(record(number // 3))  # several at the same instant
    await trail.flush()

    seen: list[str] = []
    cursor: str | None = None
    while True:
        async with audit.database.read() as connection:
            page = await search(connection, "acme", cursor=cursor, limit=10)
        seen += [f"{entry.writer} {entry.seq}" for entry in page.entries]
        trail.enqueue(record(1_000))
        await trail.flush()
        if (cursor := page.cursor) is None:
            break

    assert len(seen) == len(set(seen)) == 45


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        pytest.param(Filters(action="key"), {0, 1, 2}, id="action prefix, case kept"),
        pytest.param(Filters(action="key."), {0}, id="a dot is a dot"),
        pytest.param(Filters(action="key_"), {1}, id="an underscore is no wildcard"),
        pytest.param(Filters(request_id="req-3"), {3}, id="request id"),
        pytest.param(Filters(since=1_700_000_003.25), {3, 4}, id="since is included"),
        pytest.param(Filters(until=1_700_000_001.25), {0}, id="until is not"),
        pytest.param(Filters(outcome="forbidden"), {4}, id="outcome"),
        pytest.param(Filters(actor="key:abc' OR '1'='1"), set(), id="injection"),
        pytest.param(Filters(resource="model:nano", actor="key:abc"), {0, 1, 2, 3, 4}, id="both"),
    ],
)
async def test_filters(audit: Audit, filters: Filters, found: set[int]) -> None:
    trail = audit.trail()
    for number, action in enumerate(ACTIONS):
        outcome = "forbidden" if action == "chat" else "ok"
        trail.enqueue(record(number, action=action, outcome=outcome))
    trail.enqueue(record(2, tenant="other", action="key.create"))
    await trail.flush()

    async with audit.database.read() as connection:
        page = await search(connection, "acme", filters)
    assert {entry.record.detail["tokens"] for entry in page.entries} == found


async def test_the_operator_sees_all_tenants_and_a_tenant_only_itself(audit: Audit) -> None:
    trail = audit.trail()
    for tenant in ("acme", "other"):
        trail.enqueue(record(tenant=tenant))
    await trail.close()

    async with audit.database.read() as connection:
        everything = await search(connection, None)
        own = await search(connection, "other")
    assert {entry.record.tenant for entry in everything.entries} == {"acme", "other", "-"}
    assert {entry.record.tenant for entry in own.entries} == {"other"}


async def test_an_export_is_one_json_line_a_record(audit: Audit) -> None:
    trail = audit.trail()
    for number in range(1_100):
        trail.enqueue(record(number))
    await trail.flush()

    lines = [json.loads(line) async for line in export(audit.database, "acme")]
    assert [line["record"]["detail"]["tokens"] for line in lines] == list(range(1_099, -1, -1))


@pytest.mark.parametrize(
    "cursor", ["", "x", "W10", "WzEsMiwzXQ" * 90, "bnVsbA", "WyJhIiwiYiIsImMiXQ"]
)
async def test_a_cursor_that_is_not_ours_is_refused(audit: Audit, cursor: str) -> None:
    async with audit.database.read() as connection:
        with pytest.raises(InvalidRequest, match="cursor"):
            await search(connection, "acme", cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1_001])
async def test_a_page_has_a_limit(audit: Audit, limit: int) -> None:
    async with audit.database.read() as connection:
        with pytest.raises(InvalidRequest, match="1000"):
            await search(connection, "acme", limit=limit)
