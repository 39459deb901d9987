"""The operator's work on the audit trail by HTTP: verifying with several nodes, removing."""

from typing import Any

import pytest

from cluster.audit.keys import AuditKeys
from cluster.audit.record import AuditRecord
from cluster.audit.trail import AuditTrail
from cluster.runtime.clock import ManualClock, SystemClock
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import load_pepper
from tests.api.administration.world import ON_ITS_LOOP, World

PRUNE, VERIFY = "/api/v1/audit/prune", "/api/v1/audit/verify"


def trail_in(world: World, folder: str, clock: ManualClock | SystemClock) -> AuditTrail:
    home = world.home
    keys = AuditKeys.derive(load_pepper(home, Settings(home=home)))
    return AuditTrail(world.database, "other", keys, home / folder, clock)


async def written(trail: AuditTrail) -> None:
    for number in range(20):
        trail.enqueue(AuditRecord(1.0 + number, "acme", "key:k", "chat", "model:nano"))
    await trail.close()


async def test_another_node_s_checkpoints_are_no_alarm(world: World) -> None:
    await written(trail_in(world, "another-node", SystemClock()))
    report = (await world.ask("operator", "GET", VERIFY)).json()

    assert (report["ok"], report["findings"]) == (True, [])
    assert any("not checked here" in note for note in report["notes"])


async def test_the_operator_removes_what_is_old_and_that_is_recorded(world: World) -> None:
    await written(trail_in(world, "audit", ManualClock()))  # in 2023
    answer = await world.ask("operator", "POST", PRUNE, json={"before": "2024-01-01"})
    again = await world.ask("operator", "POST", PRUNE, json={"before": 1_704_067_200})

    assert (answer.status_code, again.status_code) == (200, 200)
    assert answer.json()["removed"] > 20
    assert again.json() == {"removed": 0, "before": 1_704_067_200.0}
    found = await world.ask("operator", "GET", "/api/v1/audit", params={"action": "audit.prune"})
    second, first = found.json()["data"]
    assert first["actor"].startswith("key:")
    assert first["detail"] == {"before": 1_704_067_200.0, "removed": answer.json()["removed"]}
    assert second["detail"]["removed"] == 0
    assert first["request_id"] == answer.headers["x-request-id"]
    assert (await world.ask("operator", "GET", VERIFY)).json()["findings"] == []


async def test_what_is_younger_than_a_day_stays(world: World) -> None:
    now = SystemClock().wall()
    answer = await world.ask("operator", "POST", PRUNE, json={"before": now - 86_000})

    assert answer.status_code == 400
    assert (answer.json()["param"], answer.json()["limit"]) == ("before", 86_400)


@pytest.mark.parametrize(
    "before", ["yesterday", "2026-02-31", -1, True, None, 1e300, "", [], {"$gt": 0}]
)
@ON_ITS_LOOP
async def test_what_is_no_instant_is_refused(unchanged_world: World, before: Any) -> None:
    answer = await unchanged_world.ask("operator", "POST", PRUNE, json={"before": before})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/before")


async def test_a_revoked_key_or_a_deleted_user_whose_old_row_was_put_back_is_named(
    world: World,
) -> None:
    """The row is genuine, but the trail knows better."""
    key, user = world.ids["key"], world.ids["user"]
    async with world.database.read() as connection:
        keys = await connection.exec_driver_sql(f"SELECT * FROM api_keys WHERE id = '{key}'")
        users = await connection.exec_driver_sql(f"SELECT * FROM users WHERE id = '{user}'")
        old_key, old_user = keys.one(), users.one()
    await world.ask("owner", "DELETE", f"/api/v1/tenants/acme/keys/{key}")
    await world.ask("owner", "DELETE", f"/api/v1/tenants/acme/users/{user}")
    assert (await world.ask("operator", "GET", VERIFY)).json()["findings"] == []

    async with world.database.begin() as connection:
        await connection.exec_driver_sql(f"DELETE FROM api_keys WHERE id = '{key}'")
        for table, row in (("api_keys", old_key), ("users", old_user)):
            marks = ",".join("?" * len(row))
            statement = f"INSERT INTO {table} VALUES ({marks})"
            await connection.exec_driver_sql(statement, tuple(row))

    found = (await world.ask("operator", "GET", VERIFY)).json()
    assert not found["ok"]
    assert [finding.split(":")[0] for finding in found["findings"]] == [
        f"api_keys {key}",
        f"users {user}",
    ]
