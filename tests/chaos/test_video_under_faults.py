"""Jobs of clips while those who make them, answer for them or watch over them are killed.

The tier's cluster has two Clipper and two ingress replicas. Every job makes clips of the same
recording for a tenant of its own, so each is compared with one that nobody disturbed. A killed
replica's lease runs out within 15 s; the jobs run side by side, so that they wait together.
"""

import asyncio
import contextlib
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos.cluster_process import ClusterProcess
from tests.chaos.killed_clipper import Killed, Killer, Moment
from tests.cluster.polling import eventually
from tests.cluster.recordings import (
    ENDED,
    QUICK,
    Event,
    Talk,
    bring,
    clips,
    ended,
    follow,
    order,
    video_seconds,
    work_folders,
    working_in,
)
from tests.cluster.tenants import make_tenant

pytestmark = pytest.mark.exhaustive  # a killed replica's lease runs out while tests wait
COUNT = 2
GONE_S = 20.0  # on a busy machine, within which nothing of a killed replica's work runs
OVER_S = 120.0
MOMENTS = {
    "fetching": Moment({"fetching", "transcript"}),
    "analysing": Moment({"analysing"}, children=True),
    "ranking": Moment({"ranking", "ranked"}),
    "making clips": Moment({"making clips"}, ready=1, children=True),
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    return Talk.made_in(tmp_path_factory.mktemp("talk"), 20)


@pytest.fixture
async def operator(embedded: ClusterProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Opens a connection for each request: what ends with a killed replica is not used again."""
    headers = {"Authorization": f"Bearer {embedded.key}"}
    async with httpx.AsyncClient(
        base_url=embedded.url,
        headers=headers,
        timeout=60,
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as client:
        yield client


@dataclass(frozen=True)
class Owner:
    """A tenant with a video, from which nobody else makes clips."""

    headers: Mapping[str, str]
    video: str


@dataclass
class Outcome:
    """How a job came out, by all that tells of it."""

    job: dict[str, Any]
    clips: list[dict[str, Any]]
    events: list[Event]
    news: list[tuple[str, int | None]]  # events for webhooks: kind, and number of the clip
    charged: list[int]

    @property
    def content(self) -> list[object]:
        """What equal jobs have in common; their bytes may differ."""
        return [
            (
                clip["number"], clip["start"], clip["end"],
                [
                    (
                        file["kind"], file["width"], file["height"],
                        file["report"] and (file["report"]["frames"], file["report"]["problems"]),
                    )
                    for file in clip["files"]
                ],
            )
            for clip in self.clips
        ]  # fmt: skip

    def assert_ended_once(self, seconds: int) -> None:
        assert self.job["state"] == "succeeded", self.job["problem"]
        kinds = [event.kind for event in self.events]
        assert [kind for kind in kinds if kind in ENDED] == ["succeeded"]
        assert [event.seq for event in self.events] == list(range(1, len(kinds) + 1))
        ready = [e.data["number"] for e in self.events if e.data.get("state") == "ready"]
        assert sorted(ready) == list(range(1, COUNT + 1))
        expected = [("clip.ready", number) for number in range(1, COUNT + 1)]
        assert sorted(self.news, key=str) == [*expected, ("job.succeeded", None)]
        assert self.charged == [seconds]


async def owner(operator: httpx.AsyncClient, recording: Talk) -> Owner:
    headers = (await make_tenant(operator)).headers
    return Owner(headers, await bring(operator, headers, recording, heard=False))


async def ordered(client: httpx.AsyncClient, owner: Owner) -> str:
    return await order(client, owner.headers, owner.video, count=COUNT)


async def outcome(client: httpx.AsyncClient, owner: Owner, job: str) -> Outcome:
    over = await ended(client, owner.headers, job, OVER_S, patient=True)
    response = await client.get("/api/v1/events?limit=100", headers=owner.headers)
    news = [(each["kind"], each["data"].get("number")) for each in response.json()["data"]]
    return Outcome(
        job=over,
        clips=await clips(client, owner.headers, job),
        events=[event async for event in follow(client, owner.headers, job)],
        news=[each for each in news if each[0].startswith(("job.", "clip."))],
        charged=await video_seconds(client, owner.headers),
    )


async def ordered_and_left(client: httpx.AsyncClient, owner: Owner) -> Outcome:
    return await outcome(client, owner, await ordered(client, owner))


def digests(found: list[dict[str, Any]]) -> dict[int, list[str]]:
    """The SHA-256 of each file of the clips that are ready."""
    ready = [clip for clip in found if clip["state"] == "ready"]
    return {clip["number"]: [file["sha256"] for file in clip["files"]] for clip in ready}


async def updated(client: httpx.AsyncClient, owner: Owner, job: str) -> dict[int, float]:
    """When each part last changed."""
    answer = await client.get(f"/api/v1/jobs/{job}", headers=owner.headers)
    return {part["number"]: part["updated"] for part in answer.json()["parts"]}


@dataclass
class Struck:
    """A job whose replica was killed, and what was ready then."""

    killed: Killed
    outcome: Outcome
    before: dict[int, list[str]]
    unchanged: bool  # whether what was ready was left as it was


async def struck(client: httpx.AsyncClient, killer: Killer, owner: Owner, moment: Moment) -> Struck:
    job = await ordered(client, owner)
    killed = await killer.kill(job, moment)
    died = time.monotonic()
    await eventually(lambda: not killed.survivors, GONE_S)
    gone_s = time.monotonic() - died
    before = digests(await clips(client, owner.headers, job))
    times = await updated(client, owner, job)
    found = await outcome(client, owner, job)
    print(  # noqa: T201
        f"killed in '{killed.stage}' with {len(before)} clips ready: {len(killed.children)} "
        f"children and {len(killed.parents)} tasks gone after {gone_s:.1f} s, the job done after "
        f"{time.monotonic() - died:.1f} s in attempt {found.job['attempts']}"
    )
    after, later = digests(found.clips), await updated(client, owner, job)
    unchanged = all(after[n] == before[n] and later[n] == times[n] for n in before)
    return Struck(killed, found, before, unchanged)


async def test_a_job_whose_clipper_is_killed_in_any_stage_ends_once_with_the_same_clips(
    embedded: ClusterProcess, operator: httpx.AsyncClient, recording: Talk
) -> None:
    killer = Killer(Path(embedded.home))
    first, *owners = [await owner(operator, recording) for _ in range(1 + len(MOMENTS))]

    undisturbed, *done = await asyncio.gather(
        ordered_and_left(operator, first),
        *(
            struck(operator, killer, each, moment)
            for each, moment in zip(owners, MOMENTS.values(), strict=True)
        ),
    )

    undisturbed.assert_ended_once(recording.seconds)
    for name, each in zip(MOMENTS, done, strict=True):
        each.outcome.assert_ended_once(recording.seconds)
        assert each.outcome.content == undisturbed.content, name
        assert each.outcome.job["attempts"] == 2, name
        assert each.unchanged, name
        retried = [e.data["reason"] for e in each.outcome.events if e.kind == "retrying"]
        assert retried == ["lease-expired"], name
    assert done[-1].before
    for moment, each in zip(MOMENTS.values(), done, strict=True):
        assert each.killed.parents or not moment.children


async def test_killed_ingress_and_controller_lose_no_job_that_was_accepted(
    embedded: ClusterProcess, operator: httpx.AsyncClient, recording: Talk
) -> None:
    await asyncio.to_thread(embedded.wait_until_whole, "Clipper", "Ingress")
    owners = [await owner(operator, recording) for _ in range(3)]
    jobs = [await ordered(operator, each) for each in owners[:2]]
    (address, ingress), *_ = (await asyncio.to_thread(embedded.ingress_addresses, 2)).items()
    seen: list[Event] = []
    following = asyncio.create_task(
        follow_to_the_end([address, embedded.url], owners[0], jobs[0], seen)
    )
    await eventually(lambda: any(event.kind == "progress" for event in seen), 30)

    ordering = asyncio.create_task(order_until_accepted(operator, owners[2]))
    os.kill(await asyncio.to_thread(embedded.controller), signal.SIGKILL)
    os.kill(ingress, signal.SIGKILL)
    jobs.append(await ordering)

    done = [await outcome(operator, *each) for each in zip(owners, jobs, strict=True)]
    for found in done:
        found.assert_ended_once(recording.seconds)
        assert found.job["attempts"] == 1
        assert found.content == done[0].content
    await asyncio.wait_for(following, OVER_S)
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].kind == "succeeded"
    await asyncio.to_thread(embedded.wait_until_whole, "Clipper", "Ingress")


async def follow_to_the_end(
    addresses: list[str], owner: Owner, job: str, seen: list[Event]
) -> None:
    """As a browser does: it comes back, elsewhere if need be, and says what it has seen."""
    while not seen or seen[-1].kind not in ENDED:
        last = seen[-1].seq if seen else None
        async with httpx.AsyncClient(base_url=addresses[0]) as client:
            with contextlib.suppress(httpx.TransportError, AssertionError):
                async for event in follow(client, owner.headers, job, last):
                    seen.append(event)
        addresses = addresses[-1:]
        await asyncio.sleep(0.2)


async def order_until_accepted(client: httpx.AsyncClient, owner: Owner) -> str:
    """As a client does that may send its order again: under one key."""
    headers = {**owner.headers, "Idempotency-Key": uuid.uuid4().hex}
    path, body = f"/api/v1/videos/{owner.video}/clips", {**QUICK, "count": COUNT}
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = await client.post(path, json=body, headers=headers)
            if answer.status_code == 202:
                return str(answer.json()["id"])
        await asyncio.sleep(0.2)


async def test_nothing_of_the_killed_is_left(embedded: ClusterProcess) -> None:
    home = Path(embedded.home)
    await eventually(lambda: not working_in(home / "scratch"))
    await eventually(lambda: not work_folders(home))
