"""`/api/v1/jobs`: what callers see of their jobs, and what they may do to them."""

import asyncio

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.jobs import Job, JobResult
from tests.api.jobs.desk import KIND, Desk

NOBODY_S = "job_" + "0" * 28


async def test_a_job_is_shown_with_its_parts_and_its_result(desk: Desk) -> None:
    made = await desk.add(subject="vid_1", cost=7, request_id="req_1")
    lease = await desk.claim()
    await desk.store.report(lease, "render", 40.0)
    await desk.store.set_part(lease, 1, "ready", {"path": "t/acme/secret"})

    running = (await desk.ask("viewer", "GET", f"/{made.id}")).json()
    assert running["state"] == "running"
    assert (running["stage"], running["percent"], running["attempts"]) == ("render", 40.0, 1)
    assert [(part["number"], part["state"]) for part in running["parts"]] == [(1, "ready")]
    assert (running["result"], running["ended"], running["problem"]) == ({}, None, None)
    assert "secret" not in str(running)
    assert not {"spec", "key", "weight"} & set(running)

    await desk.store.finish(lease, JobResult("partial", {"clips": 1}))
    ended = (await desk.ask("viewer", "GET", f"/{made.id}")).json()
    assert (ended["state"], ended["percent"], ended["result"]) == ("partial", 100.0, {"clips": 1})
    assert ended["expires"] > ended["ended"]


async def test_a_failed_job_says_why_as_a_problem(desk: Desk) -> None:
    made = await desk.add()
    await desk.store.fail(await desk.claim(), InvalidRequest("Not a video."))

    shown = (await desk.ask("viewer", "GET", f"/{made.id}")).json()

    assert shown["state"] == "failed"
    assert shown["problem"] == {
        "slug": "invalid-request",
        "title": "Invalid request",
        "status": 400,
        "detail": "Not a video.",
        "retryable": False,
    }


async def test_jobs_are_listed_in_pages_and_by_what_they_are(desk: Desk) -> None:
    made = [await desk.add(subject=f"vid_{n % 2}") for n in range(5)]
    await desk.add("other")

    pages = "?state=queued&limit=3"
    first = (await desk.ask("viewer", "GET", pages)).json()
    rest = (await desk.ask("viewer", "GET", f"{pages}&cursor={first['next_cursor']}")).json()
    assert [job["id"] for job in first["data"] + rest["data"]] == [job.id for job in made[::-1]]
    assert rest["next_cursor"] is None

    about = (await desk.ask("viewer", "GET", "?subject=vid_1&state=queued&kind=" + KIND)).json()
    assert {job["id"] for job in about["data"]} == {made[1].id, made[3].id}
    assert (await desk.ask("viewer", "GET", "?state=failed")).json()["data"] == []


async def test_bad_questions_are_refused(desk: Desk) -> None:
    bad = ("limit=0", "limit=201", "state=asleep", "kind=%00", "subject=" + "x" * 65, "color=red")
    for query, status in (*((query, 422) for query in bad), ("cursor=nonsense", 400)):
        answer = await desk.ask("viewer", "GET", f"?{query}")

        assert answer.status_code == status, query
        assert answer.headers["content-type"] == "application/problem+json"


async def test_an_unchanged_job_is_not_sent_again(desk: Desk) -> None:
    made = await desk.add()
    first = await desk.ask("viewer", "GET", f"/{made.id}")
    tag = first.headers["etag"]
    assert tag.startswith('"')

    same = await desk.ask("viewer", "GET", f"/{made.id}", headers={"If-None-Match": f'"x", {tag}'})
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == tag

    await desk.store.report(await desk.claim(), "render", 10.0)
    changed = await desk.ask("viewer", "GET", f"/{made.id}", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_each_coding_of_an_answer_has_its_own_tag(desk: Desk) -> None:
    made = await desk.add()
    tags = {
        coding: (
            await desk.ask("viewer", "GET", f"/{made.id}", headers={"Accept-Encoding": coding})
        ).headers["etag"]
        for coding in ("gzip", "identity")
    }

    assert tags["gzip"] != tags["identity"]


async def test_a_client_is_told_when_to_ask_again_until_there_is_nothing_to_ask(
    desk: Desk,
) -> None:
    made = await desk.add()
    assert int((await desk.ask("viewer", "GET", f"/{made.id}")).headers["retry-after"]) >= 1

    await desk.store.cancel("acme", made.id)
    assert "retry-after" not in (await desk.ask("viewer", "GET", f"/{made.id}")).headers


async def test_who_prefers_to_wait_is_answered_when_the_job_ends(desk: Desk) -> None:
    made = await desk.add()
    lease = await desk.claim()
    path, prefer = f"/{made.id}", {"Prefer": "respond-async, wait=20"}
    waiting = asyncio.create_task(desk.ask("viewer", "GET", path, headers=prefer))
    await asyncio.sleep(0.05)
    await desk.store.report(lease, "render", 10.0)
    other = await desk.ask("viewer", "GET", path)  # the tenant's one slot is free meanwhile
    assert other.status_code == 200
    assert not waiting.done()

    await desk.store.finish(lease, JobResult("succeeded"))
    answer = await waiting

    assert answer.json()["state"] == "succeeded"
    assert answer.headers["preference-applied"] == "wait=20"


async def test_who_waits_with_a_tag_is_answered_when_the_job_changes(desk: Desk) -> None:
    made = await desk.add()
    tag = (await desk.ask("viewer", "GET", f"/{made.id}")).headers["etag"]
    headers = {"Prefer": "wait=20", "If-None-Match": tag}
    waiting = asyncio.create_task(desk.ask("viewer", "GET", f"/{made.id}", headers=headers))
    await asyncio.sleep(0.05)
    assert not waiting.done()

    await desk.claim()

    assert (await waiting).json()["state"] == "running"


async def test_nobody_waits_longer_than_the_request_may_take(desk: Desk) -> None:
    made = await desk.add()
    headers = {"Prefer": "wait=30", "Mobula-Timeout": "2.1"}

    answer = await desk.ask("viewer", "GET", f"/{made.id}", headers=headers)

    assert (answer.status_code, answer.json()["state"]) == (200, "queued")


async def test_cancelling_may_be_repeated(desk: Desk) -> None:
    waiting, running = await desk.add(), await desk.add()
    lease = await desk.claim()
    assert lease.job.id == waiting.id
    for _ in range(2):
        asked = await desk.ask("developer", "POST", f"/{waiting.id}/cancel")
        assert asked.status_code == 200
        assert (asked.json()["state"], asked.json()["cancel_asked"]) == ("running", True)
        ended = await desk.ask("developer", "POST", f"/{running.id}/cancel")
        assert (ended.status_code, ended.json()["state"]) == (200, "canceled")


async def test_cancelling_takes_nothing_or_an_empty_object(desk: Desk) -> None:
    made = await desk.add()
    path = f"/{made.id}/cancel"

    assert (await desk.ask("developer", "POST", path, json={"why": 1})).status_code == 422
    assert (await desk.store.get("acme", made.id)).state == "queued"
    assert (await desk.ask("developer", "POST", path, json={})).status_code == 200


async def test_only_an_ended_job_can_be_deleted(desk: Desk) -> None:
    gone: list[str] = []

    async def remove(tenant: str, job: Job) -> None:
        gone.append(job.id)

    desk.store._on_delete = remove
    made = await desk.add()
    refused = await desk.ask("developer", "DELETE", f"/{made.id}")
    assert (refused.status_code, gone) == (409, [])

    await desk.store.cancel("acme", made.id)
    assert (await desk.ask("developer", "DELETE", f"/{made.id}")).status_code == 204
    assert gone == [made.id]
    assert (await desk.ask("developer", "DELETE", f"/{made.id}")).status_code == 404


async def test_another_tenant_s_job_is_as_unknown_as_none(desk: Desk) -> None:
    made = await desk.add("acme")
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("DELETE", "")):
        words = []
        for id in (made.id, NOBODY_S, "%00"):
            answer = await desk.ask("stranger", method, f"/{id}{path}")
            assert answer.status_code == 404, (method, path, id)
            words.append(answer.json()["detail"].replace(made.id, "ID").replace(NOBODY_S, "ID"))
        assert words[0] == words[1] == "There is no job 'ID'."

    assert (await desk.store.get("acme", made.id)).state == "queued"


async def test_scopes_say_who_sees_and_who_acts(desk: Desk) -> None:
    table = {
        "anonymous": (401, 401),
        "viewer": (200, 403),
        "billing": (403, 403),
        "generate": (403, 403),
        "developer": (200, 200),
    }
    made = await desk.add()
    await desk.store.cancel("acme", made.id)

    for caller, (sees, acts) in table.items():
        for path in ("", f"/{made.id}", f"/{made.id}/events"):
            assert (await desk.ask(caller, "GET", path)).status_code == sees, (caller, path)
        cancelling = await desk.ask(caller, "POST", f"/{made.id}/cancel")
        assert cancelling.status_code == acts, caller
        removing = await desk.ask(caller, "DELETE", f"/{made.id}")
        assert removing.status_code == (204 if acts == 200 else acts), caller


async def test_the_operator_may_name_a_tenant_and_others_only_their_own(desk: Desk) -> None:
    made = await desk.add("acme")
    await desk.store.cancel("acme", made.id)

    for path in ("?tenant=acme", f"/{made.id}?tenant=acme", f"/{made.id}/events?tenant=acme"):
        assert (await desk.ask("operator", "GET", path)).status_code == 200, path
        assert (await desk.ask("stranger", "GET", path)).status_code == 404, path
    assert (await desk.ask("operator", "GET", f"/{made.id}")).status_code == 404
