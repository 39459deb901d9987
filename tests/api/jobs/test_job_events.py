"""A job's events as a stream: nothing missed, nothing twice, for as long as the job takes."""

import asyncio

import pytest

from deployments.contracts.jobs import Job, JobResult
from tests.api.jobs.desk import Desk, heard, told
from tests.api.wire import Wire


async def ended_job(desk: Desk) -> Job:
    """With events 1 queued, 2 started, 3 progress, 4 part, 5 succeeded."""
    made = await desk.add()
    lease = await desk.claim()
    await desk.store.report(lease, "render", 40.0)
    await desk.store.set_part(lease, 1, "ready", {})
    await desk.store.finish(lease, JobResult("succeeded"))
    return made


async def opened(desk: Desk, job: Job) -> Wire:
    """A stream that has begun."""
    wire = desk.stream(job)
    await heard(wire, "event: queued")
    return wire


async def test_an_ended_job_s_events_are_told_from_the_first_and_the_stream_ends(
    desk: Desk,
) -> None:
    made = await ended_job(desk)

    answer = await desk.ask("viewer", "GET", f"/{made.id}/events")

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("retry: 2000\n\n")
    events = told(answer.text)
    assert [(kind, seq) for kind, seq, _ in events] == [
        ("queued", 1),
        ("started", 2),
        ("progress", 3),
        ("part", 4),
        ("succeeded", 5),
    ]
    assert events[2][2] | {"at": 0} == {
        "job": made.id,
        "at": 0,
        "stage": "render",
        "percent": 40.0,
    }
    assert events[3][2] | {"at": 0} == {"job": made.id, "at": 0, "number": 1, "state": "ready"}


async def test_who_comes_back_hears_what_it_missed(desk: Desk) -> None:
    made = await ended_job(desk)
    path = f"/{made.id}/events"

    by_header = await desk.ask("viewer", "GET", path, headers={"Last-Event-ID": "3"})
    by_query = await desk.ask("viewer", "GET", f"{path}?after=3")
    both = await desk.ask("viewer", "GET", f"{path}?after=1", headers={"Last-Event-ID": "3"})

    for answer in (by_header, by_query, both):
        assert [seq for _, seq, _ in told(answer.text)] == [4, 5]


async def test_who_has_heard_the_end_is_told_not_to_come_back(desk: Desk) -> None:
    made = await ended_job(desk)

    answer = await desk.ask("viewer", "GET", f"/{made.id}/events", headers={"Last-Event-ID": "5"})

    assert (answer.status_code, answer.content) == (204, b"")


async def test_an_id_that_was_never_given_leads_to_everything(desk: Desk) -> None:
    made = await ended_job(desk)
    for nonsense in ("-1", "abc", "99999999999999999999", "1.5", "²"):
        headers = {"Last-Event-ID": nonsense.encode()}
        answer = await desk.ask("viewer", "GET", f"/{made.id}/events", headers=headers)

        seen = [seq for kind, seq, _ in told(answer.text) if kind != "reset"]
        assert seen == [1, 2, 3, 4, 5], nonsense


async def test_a_gap_is_told_where_events_are_no_longer_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.jobs.job_rows.MAX_EVENTS", 2)
    made = await ended_job(desk)

    events = told((await desk.ask("viewer", "GET", f"/{made.id}/events?after=1")).text)

    assert [(kind, seq) for kind, seq, _ in events] == [
        ("reset", None),
        ("part", 4),
        ("succeeded", 5),
    ]
    assert events[0][2] == {"after": 3}


async def test_events_arrive_as_they_happen_long_after_the_request_s_deadline(desk: Desk) -> None:
    made = await desk.add()
    wire = desk.stream(made, Mobula_Timeout="2")
    await heard(wire, "event: queued")
    await asyncio.sleep(2.1)

    lease = await desk.claim()
    await heard(wire, "event: started")
    await desk.store.finish(lease, JobResult("partial"))
    await wire.ended()

    assert wire.complete
    assert [seq for _, seq, _ in told(wire.text)] == [1, 2, 3]


async def test_a_stream_holds_none_of_the_tenant_s_slots(desk: Desk) -> None:
    made = await desk.add()
    streams = [await opened(desk, made) for _ in range(3)]

    assert (await desk.ask("viewer", "GET", f"/{made.id}")).status_code == 200

    await desk.store.cancel("acme", made.id)
    for wire in streams:
        await wire.ended()
        assert told(wire.text)[-1][0] == "canceled"


async def test_streams_are_bounded_and_a_client_that_leaves_makes_room(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.jobs.event_notifier.MAX_STREAMS", 3)
    made = await desk.add()
    streams = [await opened(desk, made) for _ in range(3)]

    assert (await desk.ask("viewer", "GET", f"/{made.id}/events")).status_code == 429
    for wire in streams:
        await wire.leave().ended()

    again = await opened(desk, made)
    await again.leave().ended()


async def test_a_quiet_stream_is_kept_alive_and_ends_when_its_credential_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.ingress.routes.jobs.BEAT_S", 0.02)
    made = await desk.add()
    wire = desk.stream(made)
    await heard(wire, ": keep-alive\n\n")
    assert told(wire.text)[-1][0] == "queued"

    users = await desk.world.ask("owner", "GET", "/api/v1/tenants/acme/users")
    [viewer] = [
        u["id"]
        for u in users.json()["data"]
        if u["role"] == "viewer" and u["email"] == "viewer@acme.example"
    ]
    path, off = f"/api/v1/tenants/acme/users/{viewer}", {"status": "disabled"}
    assert (await desk.world.ask("owner", "PATCH", path, json=off)).status_code == 200
    await wire.ended()

    kind, _, data = told(wire.text)[-1]
    assert (kind, data["status"]) == ("error", 401)
    assert wire.complete
