"""How uploads end: as a video, refused, expired, deleted; and whose they are."""

from collections.abc import AsyncIterator

import httpx
import pytest

from deployments.files.store import FileStore
from deployments.video.uploads.repository import LIFE_S
from tests.api.videos.media_world import PLAIN, READER, STRANGER, World, film
from tests.api.videos.tus_client import (
    PIECE,
    TUS,
    UPLOADS,
    begin,
    encoded,
    offset_at,
    send,
)


async def test_an_ended_upload_is_unknown_and_takes_no_room(
    client: httpx.AsyncClient, world: World
) -> None:
    at = await begin(client, 100)
    await send(client, at, 0, b"x" * 50)

    assert (await client.delete(at, headers=TUS)).status_code == 204
    assert await world.stored() == 0
    assert (await client.head(at, headers=TUS)).status_code == 404
    assert (await send(client, at, 50, b"x")).status_code == 404
    assert (await client.delete(at, headers=TUS)).status_code == 404


async def test_ending_a_finished_upload_leaves_its_video(client: httpx.AsyncClient) -> None:
    data = film()
    at = await begin(client, len(data))
    video = (await send(client, at, 0, data)).headers["mobula-video"]
    assert (await client.delete(at, headers=TUS)).status_code == 204
    assert (await client.get(f"/api/v1/videos/{video}")).status_code == 200


async def test_an_expired_upload_is_gone(client: httpx.AsyncClient, world: World) -> None:
    at = await begin(client, 100)
    world.clock.advance(LIFE_S + 1)
    assert (await client.head(at, headers=TUS)).status_code == 410
    assert (await send(client, at, 0, b"x")).status_code == 410

    world.clock.advance(LIFE_S)
    assert await world.media.uploads.sweep() == 1
    assert (await client.head(at, headers=TUS)).status_code == 404


async def test_a_file_that_is_no_recording_ends_the_upload(
    client: httpx.AsyncClient, world: World
) -> None:
    at = await begin(client, 40)
    await send(client, at, 0, b"t" * 20)
    refused = await send(client, at, 20, b"t" * 20)
    assert refused.status_code == 415
    assert refused.json()["type"].endswith("/media-refused")

    assert (await send(client, at, 40, b"")).status_code == 410
    told = (await client.get(at)).json()
    assert (told["state"], told["problem"]["slug"]) == ("failed", "media-refused")
    assert await world.stored() == 0
    assert (await client.get("/api/v1/videos")).json()["data"] == []


async def test_a_recording_longer_than_the_plan_allows_names_the_limit(
    client: httpx.AsyncClient, world: World
) -> None:
    world.plan = world.plan.model_copy(
        update={"media": world.plan.media.model_copy(update={"max_video_s": 60})}
    )
    data = film(61.0)
    refused = await send(client, await begin(client, len(data)), 0, data)
    assert refused.status_code == 422
    assert (refused.json()["field"], refused.json()["limit"]) == ("max_duration_s", 60.0)
    assert await world.stored() == 0


async def test_an_upload_that_the_plan_has_no_room_for_is_refused_at_creation(
    client: httpx.AsyncClient, world: World
) -> None:
    world.plan = world.plan.model_copy(
        update={"media": world.plan.media.model_copy(update={"storage_bytes": 99})}
    )
    answer = await client.post(UPLOADS, headers={**TUS, "Upload-Length": "100"})
    assert answer.status_code == 429
    assert answer.json()["storage_bytes"] == 99


async def test_an_upload_that_was_cut_off_while_it_became_a_video_is_finished_by_asking(
    client: httpx.AsyncClient, world: World
) -> None:
    data = film(2.0, 100)
    at = await begin(client, 100)
    async with world.media.uploads.lock("acme", at.rpartition("/")[2], 0) as hold:
        await world.media.uploads.append(hold, _chunks(data))

    told = (await client.get(at)).json()
    assert (told["state"], told["received"]) == ("finishing", 100)
    first, second = [await client.head(at, headers=TUS) for _ in range(2)]
    assert first.status_code == 200
    assert first.headers["mobula-video"] == second.headers["mobula-video"]
    assert len((await client.get("/api/v1/videos")).json()["data"]) == 1
    again = await send(client, at, 100, b"")
    assert again.headers["mobula-video"] == first.headers["mobula-video"]


async def test_clients_without_patch_and_delete_name_them_in_a_header(
    client: httpx.AsyncClient,
) -> None:
    at = await begin(client, 100)
    patch = {**PIECE, "X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}
    assert (await client.post(at, headers=patch, content=b"x")).headers["upload-offset"] == "1"
    delete = {**TUS, "X-HTTP-Method-Override": "DELETE"}
    assert (await client.post(at, headers=delete)).status_code == 204
    assert (await client.post(at, headers=TUS)).status_code == 405


async def test_another_tenants_upload_is_not_there_in_the_same_words(
    client: httpx.AsyncClient, world: World
) -> None:
    at = await begin(client, 100)
    async with world.client(STRANGER) as stranger:
        for method in ("HEAD", "GET", "PATCH", "DELETE"):
            said = {**PIECE, "Upload-Offset": "0"}
            theirs = await stranger.request(method, at, headers=said)
            none = await stranger.request(method, f"{UPLOADS}/upl_none", headers=said)
            assert theirs.status_code == none.status_code == 404
            if method != "HEAD":
                assert (
                    theirs.json()["detail"].replace(at.rpartition("/")[2], "upl_none")
                    == (none.json()["detail"])
                )
    assert await offset_at(client, at) == 0


@pytest.mark.parametrize(("key", "status"), [(None, 401), (PLAIN, 403), (READER, 403)])
async def test_writing_needs_the_scope(
    client: httpx.AsyncClient, world: World, key: str | None, status: int
) -> None:
    at = await begin(client, 100)
    async with world.client(key) as other:
        made = await other.post(UPLOADS, headers={**TUS, "Upload-Length": "5"})
        assert made.status_code == status
        assert (await send(other, at, 0, b"x")).status_code == status
        assert (await other.delete(at, headers=TUS)).status_code == status
    assert await offset_at(client, at) == 0


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_an_upload_with_a_purpose_becomes_a_file(
    client: httpx.AsyncClient, world: World
) -> None:
    metadata = f"filename {encoded('tea.pdf')},purpose {encoded('user_data')}"
    at = await begin(client, 40, **{"Upload-Metadata": metadata})
    await send(client, at, 0, b"t" * 20)
    done = await send(client, at, 20, b"e" * 20)

    id = done.headers["mobula-file"]
    upload = (await client.get(at)).json()
    files = FileStore(world.media.database, world.media.files, world.clock)
    file = await files.get("acme", id)
    content = b"".join([block async for block in files.read(file)])
    assert "mobula-video" not in done.headers
    assert (upload["state"], upload["file"], upload["video"]) == ("done", id, None)
    assert (file.name, file.purpose, content) == ("tea.pdf", "user_data", b"t" * 20 + b"e" * 20)
    assert await world.stored() == 40


async def test_an_unknown_purpose_is_refused(client: httpx.AsyncClient) -> None:
    headers = {**TUS, "Upload-Length": "4", "Upload-Metadata": f"purpose {encoded('fun')}"}
    refused = await client.post(UPLOADS, headers=headers)

    assert (refused.status_code, refused.json()["param"]) == (400, "Upload-Metadata")
