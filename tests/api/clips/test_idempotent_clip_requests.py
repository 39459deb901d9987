"""An order under an Idempotency-Key is one job, though the ingress dies right after it."""

from unittest.mock import AsyncMock

import httpx
import pytest

from cluster.idempotency.store import IdempotencyStore
from tests.api.clips.clip_world import ClipWorld

PATH = "/api/v1/videos/{}/clips"


async def test_an_ingress_that_dies_once_the_job_is_written_does_not_make_a_second_one(
    world: ClipWorld, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IdempotencyStore, "save", AsyncMock(return_value=False))
    video, key = await world.video(), {"Idempotency-Key": "order-1"}

    first = await client.post(PATH.format(video.id), json={}, headers=key)
    again = await client.post(PATH.format(video.id), json={}, headers=key)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["idempotency-replayed"] == "true"
    assert [job.id for job in await world.jobs()] == [first.json()["id"]]


async def test_a_runner_that_was_taken_for_dead_makes_no_job(
    world: ClipWorld, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = IdempotencyStore.begin

    async def begin_and_lose(self: IdempotencyStore, *arguments: object) -> object:
        lease = await begin(self, *arguments)  # type: ignore[arg-type]
        await self.release(lease)  # type: ignore[arg-type]
        return lease

    monkeypatch.setattr(IdempotencyStore, "begin", begin_and_lose)
    video = await world.video()

    late = await client.post(PATH.format(video.id), json={}, headers={"Idempotency-Key": "order-1"})

    assert late.status_code == 409
    assert not await world.jobs()
