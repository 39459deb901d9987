"""The catalogue of recordings in both stores."""

import asyncio
from dataclasses import replace

import pytest

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.jobs import NewJob
from deployments.video.catalog import (
    SourceLost,
    Video,
    VideoAlreadyExists,
    VideoBusy,
    VideoNotFound,
    new_id,
    objects_expire,
)
from tests.contract.uploads.upload_bench import Bench, chunks

FILM = b"FILM" + b"." * 96


async def ready(bench: Bench, tenant: str = "acme") -> Video:
    draft = bench.ingest.draft(tenant, "key", "talk", new_id())
    await bench.ingest.store(tenant, draft.id, chunks(FILM))
    return await bench.ingest.admit(draft)


async def test_what_was_admitted_is_what_is_found_by_its_tenant_alone(bench: Bench) -> None:
    made = await ready(bench)
    assert await bench.videos.get("acme", made.id) == made
    for tenant, video in (("other", made.id), ("acme", new_id()), ("acme", "x' or 1=1")):
        with pytest.raises(VideoNotFound):
            await bench.videos.get(tenant, video)
        with pytest.raises(VideoNotFound):
            await bench.videos.delete(tenant, video)


async def test_pages_go_from_the_newest_to_the_oldest_once_each(bench: Bench) -> None:
    made = []
    for second in (0.0, 0.0, 1.0, 0.0, 2.0):  # some in the same instant
        bench.clock.advance(second)
        made.append((await ready(bench)).id)
    await ready(bench, "other")

    found: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = await bench.videos.page("acme", limit=2, cursor=cursor)
        found += [video.id for video in page.items]
        cursor = page.next
    assert cursor is None
    assert sorted(found) == sorted(made)
    assert found[:1] == made[-1:]
    assert set(found[1:3]) == set(made[2:4])


@pytest.mark.parametrize("limit", [0, 201])
async def test_a_page_has_a_bound(bench: Bench, limit: int) -> None:
    with pytest.raises(InvalidRequest):
        await bench.videos.page("acme", limit=limit)


async def test_videos_are_found_by_their_state(bench: Bench) -> None:
    made = await ready(bench)
    waiting, _ = await bench.ask("https://cdn.example.com/a.mp4")
    for state, video in (("ready", made.id), ("importing", waiting.id)):
        found = await bench.videos.page("acme", state=state)  # type: ignore[arg-type]
        assert [each.id for each in found.items] == [video]


async def test_a_source_that_expired_unchecked_makes_no_video(bench: Bench) -> None:
    draft = bench.ingest.draft("acme", "key", "talk", new_id())
    await bench.ingest.store("acme", draft.id, chunks(FILM))
    inspected = await bench.ingest.inspect(draft)
    await bench.files.delete("acme", [draft.path])

    with pytest.raises(SourceLost):
        async with bench.database.begin() as connection:
            await bench.videos.mark_ready(connection, inspected)
    with pytest.raises(VideoNotFound):
        await bench.videos.get("acme", draft.id)


async def test_a_late_writer_cannot_put_another_source_under_a_ready_video(bench: Bench) -> None:
    made = await ready(bench)
    with pytest.raises(VideoAlreadyExists):
        await bench.ingest.store("acme", made.id, chunks(b"FILM of another"))
    assert await bench.read(made.path) == FILM
    assert (await bench.files.stat("acme", made.path)).expires == objects_expire(made)


async def test_only_what_was_looked_at_is_admitted(bench: Bench) -> None:
    draft = bench.ingest.draft("acme", "key", "talk", new_id())
    await bench.ingest.store("acme", draft.id, chunks(FILM))
    inspected = await bench.ingest.inspect(draft)
    await bench.ingest.store("acme", draft.id, chunks(b"FILM of another"))

    with pytest.raises(SourceLost):
        async with bench.database.begin() as connection:
            await bench.videos.mark_ready(connection, inspected)


async def test_a_source_that_nobody_admits_goes_by_itself(bench: Bench) -> None:
    await bench.ingest.store("acme", new_id(), chunks(FILM))
    assert await bench.files.used("acme") == len(FILM)
    bench.clock.advance(7 * 3600.0)
    await bench.files.sweep()
    assert await bench.files.used("acme") == 0


async def test_discarding_spares_a_video_that_came_to_be(bench: Bench) -> None:
    made = await ready(bench)
    await bench.videos.discard("acme", made.id)
    assert await bench.read(made.path) == FILM

    never = new_id()
    await bench.ingest.store("acme", never, chunks(FILM))
    await bench.videos.discard("acme", never)
    assert await bench.files.used("acme") == len(FILM)


async def test_a_video_is_deleted_or_worked_on_but_not_both(bench: Bench, replica: Bench) -> None:
    for _ in range(5):
        made = await ready(bench)

        async def work(video: Video) -> bool:
            try:
                async with replica.database.begin() as connection:
                    await replica.videos.lock(connection, "acme", video.id)
                    new = NewJob("acme", "video.clips", "key", {}, subject=video.id)
                    await replica.jobs.create(connection, new)
            except VideoNotFound:
                return False
            return True

        async def delete(video: Video) -> bool:
            try:
                await bench.videos.delete("acme", video.id)
            except VideoBusy:
                return False
            return True

        worked, deleted = await asyncio.gather(work(made), delete(made))
        assert worked is not deleted


async def test_sweeping_takes_what_is_past_its_time_and_idle(bench: Bench) -> None:
    old = await ready(bench)
    bench.clock.advance(6 * 86_400.0)
    young = await ready(bench)
    bench.clock.advance(2 * 86_400.0)

    await bench.videos.sweep()
    await bench.files.sweep()
    with pytest.raises(VideoNotFound):
        await bench.videos.get("acme", old.id)
    assert await bench.videos.get("acme", young.id) == young
    assert await bench.files.used("acme") == len(FILM)


async def test_only_an_import_can_fail(bench: Bench) -> None:
    made = await ready(bench)
    async with bench.database.begin() as connection:
        await bench.videos.fail(connection, "acme", made.id, {"slug": "x"})
        await bench.videos.fail(connection, "other", made.id, {"slug": "x"})
    assert await bench.videos.get("acme", made.id) == made


async def test_a_video_deleted_meanwhile_is_not_made_ready(bench: Bench) -> None:
    draft = bench.ingest.draft("acme", "key", "talk", new_id())
    await bench.ingest.store("acme", draft.id, chunks(FILM))
    with pytest.raises(VideoNotFound):
        await bench.ingest.admit(replace(draft, state="importing"))
