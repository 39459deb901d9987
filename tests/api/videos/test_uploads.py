"""Resumable uploads, by tus 1.0.0."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.videos.media_world import World, film
from tests.api.videos.tus_client import (
    PIECE,
    TUS,
    UPLOADS,
    begin,
    break_off,
    encoded,
    offset_at,
    send,
)


async def test_pieces_become_a_video_whose_bytes_are_the_file(
    client: httpx.AsyncClient, world: World
) -> None:
    data = film(3.0, 100)
    metadata = f"filename {encoded('C:/talks/Ünser Film.mp4')},filetype {encoded('video/mp4')},flag"
    at = await begin(client, len(data), **{"Upload-Metadata": metadata})

    first = await send(client, at, 0, data[:41])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "41")
    assert "mobula-video" not in first.headers
    last = await send(client, at, 41, data[41:])

    assert (last.status_code, last.headers["upload-offset"]) == (204, "100")
    video = (await client.get(f"/api/v1/videos/{last.headers['mobula-video']}")).json()
    assert video["state"] == "ready"
    assert video["name"] == "Ünser Film.mp4"
    assert video["sha256"] == hashlib.sha256(data).hexdigest()
    assert video["media"]["duration_s"] == 3.0
    source = await world.media.files.open("acme", f"videos/{video['id']}/source")
    assert b"".join([chunk async for chunk in source]) == data
    assert await world.stored() == len(data)


async def test_what_the_server_can_do_is_told_without_a_key(world: World) -> None:
    async with world.client(None) as client:
        answer = await client.options(UPLOADS)

    assert answer.status_code == 204
    assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers["tus-extension"].split(",") == [
        "creation", "creation-with-upload", "expiration", "checksum", "termination",
    ]  # fmt: skip
    assert answer.headers["tus-max-size"] == str(1 << 20)
    assert {"sha1", "sha256"} <= set(answer.headers["tus-checksum-algorithm"].split(","))


async def test_an_upload_tells_how_far_it_has_come(client: httpx.AsyncClient) -> None:
    metadata = f"filename {encoded('a.mp4')}"
    at = await begin(client, 100, **{"Upload-Metadata": metadata})
    await send(client, at, 0, b"x" * 70)

    answer = await client.head(at, headers=TUS)
    assert answer.headers["upload-offset"] == "70"
    assert answer.headers["upload-length"] == "100"
    assert answer.headers["upload-metadata"] == metadata
    assert answer.headers["upload-expires"].endswith("GMT")
    assert answer.headers["cache-control"] == "no-store"
    told = (await client.get(at)).json()
    assert (told["state"], told["received"], told["video"]) == ("open", 70, None)


@pytest.mark.parametrize("method", ["POST", "PATCH", "HEAD", "DELETE"])
async def test_another_version_of_the_protocol_is_refused(
    client: httpx.AsyncClient, method: str
) -> None:
    at = await begin(client, 10)
    url = UPLOADS if method == "POST" else at
    for headers in ({}, {"Tus-Resumable": "0.2.2"}):
        answer = await client.request(method, url, headers=headers)
        assert answer.status_code == 412
        assert answer.headers["tus-version"] == "1.0.0"


async def test_every_answer_names_the_version_also_a_refusal(
    client: httpx.AsyncClient, world: World
) -> None:
    at = await begin(client, 10)
    async with world.client("mob_unknown") as unknown:
        refused = await unknown.head(at, headers=TUS)
    answers = [
        await client.head(at, headers=TUS),
        await send(client, at, 3, b"x"),
        await client.head(f"{UPLOADS}/upl_none", headers=TUS),
        await client.head(at),
        refused,
    ]
    assert [answer.status_code for answer in answers] == [200, 409, 404, 412, 401]
    assert {answer.headers["tus-resumable"] for answer in answers} == {"1.0.0"}


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        pytest.param({}, "Upload-Length", id="no length"),
        pytest.param({"Upload-Length": "-1"}, "Upload-Length", id="negative"),
        pytest.param({"Upload-Length": "0"}, "Upload-Length", id="nothing"),
        pytest.param({"Upload-Length": "1e3"}, "Upload-Length", id="not whole"),
        pytest.param({"Upload-Length": str((1 << 20) + 1)}, "Upload-Length", id="over the limit"),
        pytest.param({"Upload-Defer-Length": "1"}, "Upload-Defer-Length", id="deferred"),
        pytest.param({"Upload-Concat": "partial"}, "Upload-Concat", id="concatenated"),
        pytest.param(
            {"Upload-Length": "5", "Upload-Metadata": "name not*base64"}, "Upload-Metadata",
            id="metadata is no base64",
        ),
        pytest.param(
            {"Upload-Length": "5", "Upload-Metadata": "a eA==,a eA=="}, "Upload-Metadata",
            id="a key twice",
        ),
        pytest.param(
            {"Upload-Length": "5", "Upload-Metadata": f"a {'A' * 5000}"}, "Upload-Metadata",
            id="much metadata",
        ),
    ],
)  # fmt: skip
async def test_a_creation_that_says_too_little_or_too_much_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], named: str
) -> None:
    answer = await client.post(UPLOADS, headers={**TUS, **headers})
    assert answer.status_code == 400
    assert answer.json()["param"] == named


async def test_a_whole_file_may_come_with_the_creation(client: httpx.AsyncClient) -> None:
    data = film()
    answer = await client.post(
        UPLOADS, headers={**PIECE, "Upload-Length": str(len(data))}, content=data
    )
    assert answer.status_code == 201
    assert answer.headers["upload-offset"] == str(len(data))
    assert answer.headers["mobula-video"].startswith("vid_")


async def test_a_creation_whose_piece_is_refused_leaves_nothing(
    client: httpx.AsyncClient, world: World
) -> None:
    answer = await client.post(UPLOADS, headers={**PIECE, "Upload-Length": "5"}, content=b"notes")
    assert answer.status_code == 415
    assert answer.json()["type"].endswith("/media-refused")
    assert await world.stored() == 0


async def test_a_piece_that_begins_elsewhere_is_refused(client: httpx.AsyncClient) -> None:
    at = await begin(client, 100)
    await send(client, at, 0, b"x" * 10)

    for offset in (0, 5, 11):
        answer = await send(client, at, offset, b"y")
        assert answer.status_code == 409
        assert answer.json()["offset"] == 10
    assert await offset_at(client, at) == 10


async def test_a_piece_is_of_the_protocols_type(client: httpx.AsyncClient) -> None:
    at = await begin(client, 100)
    answer = await send(client, at, 0, b"x", **{"Content-Type": "video/mp4"})
    assert answer.status_code == 415
    assert answer.json()["accepted"] == ["application/offset+octet-stream"]


async def test_more_bytes_than_the_length_are_refused(client: httpx.AsyncClient) -> None:
    at = await begin(client, 10)
    answer = await send(client, at, 0, b"x" * 11)
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 10)

    async def undeclared() -> AsyncIterator[bytes]:
        yield b"x" * 11

    assert (await send(client, at, 0, undeclared())).status_code == 413
    assert await offset_at(client, at) == 0


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_a_checksum_is_held_against_the_piece(
    client: httpx.AsyncClient, algorithm: str
) -> None:
    at = await begin(client, 100)
    digest = base64.b64encode(hashlib.new(algorithm, b"x" * 90).digest()).decode()

    wrong = await send(client, at, 0, b"y" * 90, **{"Upload-Checksum": f"{algorithm} {digest}"})
    assert wrong.status_code == 460
    assert await offset_at(client, at) == 0
    right = await send(client, at, 0, b"x" * 90, **{"Upload-Checksum": f"{algorithm} {digest}"})
    assert right.status_code == 204
    assert await offset_at(client, at) == 90


async def test_a_checksum_of_a_kind_we_do_not_know_is_refused(client: httpx.AsyncClient) -> None:
    at = await begin(client, 100)
    answer = await send(client, at, 0, b"x", **{"Upload-Checksum": "crc32 AAAA"})
    assert answer.status_code == 400
    assert answer.json()["param"] == "Upload-Checksum"


async def test_what_came_before_the_connection_broke_is_kept(
    client: httpx.AsyncClient, world: World
) -> None:
    data = film(2.0, 100)
    at = await begin(client, 100)
    said = {**PIECE, "Upload-Offset": "0"}
    await break_off(world.app, "PATCH", at, [data[:30], data[30:50]], said)

    assert await offset_at(client, at) == 50
    last = await send(client, at, 50, data[50:])
    video = (await client.get(f"/api/v1/videos/{last.headers['mobula-video']}")).json()
    assert video["sha256"] == hashlib.sha256(data).hexdigest()


async def test_of_a_broken_piece_with_a_checksum_nothing_is_kept(
    client: httpx.AsyncClient, world: World
) -> None:
    at = await begin(client, 100)
    digest = base64.b64encode(hashlib.sha1(b"x" * 90).digest()).decode()
    headers = {**PIECE, "Upload-Offset": "0", "Upload-Checksum": f"sha1 {digest}"}
    await break_off(world.app, "PATCH", at, [b"x" * 50], headers)
    assert await offset_at(client, at) == 0


async def test_one_request_at_a_time_writes_to_an_upload(client: httpx.AsyncClient) -> None:
    at = await begin(client, 100)
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * 10
        began.set()
        await go_on.wait()
        yield b"x" * 10

    slow = asyncio.create_task(send(client, at, 0, slowly()))
    await began.wait()
    refused = await send(client, at, 0, b"y")
    go_on.set()

    assert refused.status_code == 423
    assert "retry-after" in refused.headers
    assert (await slow).headers["upload-offset"] == "20"
    assert (await send(client, at, 20, b"x")).status_code == 204
