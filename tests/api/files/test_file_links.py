"""Downloads by link: whole, in parts, not at all; by RFC 9110 and RFC 6266."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest
from starlette.types import Message

from cluster.blobs.links import DownloadLinks
from cluster.runtime.clock import SystemClock
from deployments.ingress.context import STATE_KEY, RequestState
from deployments.ingress.http.middleware.limits import LimitedRequests, RequestLimits
from deployments.ingress.routes import files
from deployments.ingress.routes.files import StreamedFile
from tests.api.files.linked_media import DATA, LIFE_S, Media, WithMedia
from tests.api.web import client_of

TAG = f'"{hashlib.sha256(DATA).hexdigest()}"'
GZIP = {"Accept-Encoding": "gzip"}


async def test_a_link_gives_the_file_without_a_key(client: httpx.AsyncClient, media: Media) -> None:
    answer = await client.get(media.link("clip"), headers=GZIP)

    assert answer.status_code == 200
    assert answer.content == DATA
    fields = answer.headers
    assert fields["content-type"] == "video/mp4"
    assert fields["content-length"] == str(len(DATA))
    assert fields["etag"] == TAG
    assert fields["accept-ranges"] == "bytes"
    assert fields["content-disposition"] == 'attachment; filename="clip.mp4"'
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["cache-control"] == "private, no-cache, no-transform"
    assert "default-src 'none'" in fields["content-security-policy"]
    assert "content-encoding" not in fields


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=1000000-2000000", 1_000_000, 2_000_001), ("bytes=-7", -7, None)]
    + [("bytes=5-", 5, None), (f"bytes=0-{10**15}", 0, None)],
)
async def test_a_range_gives_that_part(
    client: httpx.AsyncClient, media: Media, asked: str, start: int, end: int | None
) -> None:
    answer = await client.get(media.link("clip"), headers={"Range": asked})

    part = DATA[start:end]
    assert answer.status_code == 206
    assert answer.content == part
    first = start % len(DATA)
    last = first + len(part) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert answer.headers["content-length"] == str(len(part))
    assert answer.headers["etag"] == TAG


async def test_the_parts_of_a_player_add_up_to_the_whole(
    client: httpx.AsyncClient, media: Media
) -> None:
    link, got = media.link("clip"), b""
    while len(got) < len(DATA):
        fields = {"Range": f"bytes={len(got)}-{len(got) + 499_999}", "If-Range": TAG}
        got += (await client.get(link, headers=fields)).content
    assert got == DATA


async def test_a_range_behind_the_end_tells_the_size(
    client: httpx.AsyncClient, media: Media
) -> None:
    answer = await client.get(media.link("clip"), headers={"Range": f"bytes={len(DATA)}-"})

    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(DATA)}"
    assert answer.json()["type"].endswith("/range-not-satisfiable")
    assert "etag" not in answer.headers


async def test_a_part_of_a_file_that_was_replaced_is_the_whole_of_the_new_one(
    client: httpx.AsyncClient, media: Media
) -> None:
    link = media.link("clip")
    await media.files.put("acme", "clip", b"newer", "video/mp4", None)

    answer = await client.get(link, headers={"Range": "bytes=0-1", "If-Range": TAG})

    assert (answer.status_code, answer.content) == (200, b"newer")
    assert answer.headers["etag"] == f'"{hashlib.sha256(b"newer").hexdigest()}"'


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("condition", [TAG, "*", f'"x", W/{TAG}'])
async def test_who_has_it_gets_304(
    client: httpx.AsyncClient, media: Media, method: str, condition: str
) -> None:
    fields = {"If-None-Match": condition, "Range": "bytes=0-1"}
    answer = await client.request(method, media.link("clip"), headers=fields)

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == TAG
    assert "content-length" not in answer.headers


async def test_head_says_the_same_without_the_bytes(
    client: httpx.AsyncClient, media: Media
) -> None:
    link = media.link("clip")
    whole = await client.get(link)
    head = await client.head(link, headers={"Range": "bytes=0-1"})

    assert (head.status_code, head.content) == (200, b"")
    names = "content-type content-length etag accept-ranges content-disposition last-modified"
    for name in names.split():
        assert head.headers[name] == whole.headers[name], name


async def test_an_empty_file_is_sent(client: httpx.AsyncClient, media: Media) -> None:
    await media.files.put("acme", "empty", b"", "text/vtt", None)

    answer = await client.get(media.link("empty", "a.vtt"))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "0"


async def test_a_name_in_any_script_is_given_to_save_under(
    client: httpx.AsyncClient, media: Media
) -> None:
    answer = await client.get(media.link("clip", 'Über\r\n"Alles"/一.mp4'))

    field = answer.headers["content-disposition"]
    expected = "%C3%9Cber%20_Alles__%E4%B8%80.mp4"
    assert field == f"attachment; filename=\"Uber _Alles___.mp4\"; filename*=UTF-8''{expected}"


async def test_every_link_that_opens_nothing_is_refused_in_the_same_words(
    client: httpx.AsyncClient, media: Media
) -> None:
    good = media.link("clip")
    forged = DownloadLinks(b"q" * 32, media.clock).sign("acme", "clip", LIFE_S, "clip.mp4")
    links = [f"/files/{forged}", "/files/x", good[:-4], good + "A", media.link("never")]
    links += [media.link("clip", tenant="other"), "/files/" + "A" * 5000, "/files/%00", "/files/ä"]
    refusals = [await client.get(link) for link in links]
    media.suspended.add("acme")
    refusals.append(await client.get(good))
    media.suspended.clear()
    await media.files.delete("acme", ["clip"])
    refusals.append(await client.get(good))
    media.clock.advance(2 * LIFE_S)
    refusals += [await client.get(good), await client.get(good, headers={"Range": "bytes=0-1"})]

    assert {each.status_code for each in refusals} == {404}
    bodies = [{**each.json(), "request_id": ""} for each in refusals]
    assert all(body == bodies[0] for body in bodies)
    assert (await client.head(good)).status_code == 404


async def test_an_expired_file_is_not_given_though_the_link_still_opens(
    client: httpx.AsyncClient, media: Media
) -> None:
    await media.files.put("acme", "short", b"x", "text/vtt", media.clock.wall() + 5)
    link = media.link("short")
    assert (await client.get(link)).status_code == 200
    media.clock.advance(5)
    assert (await client.get(link)).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_link_can_only_be_read(
    client: httpx.AsyncClient, media: Media, method: str
) -> None:
    assert (await client.request(method, media.link("clip"))).status_code == 405
    assert await media.files.used("acme") == len(DATA)


async def test_where_video_is_off_there_are_no_files(with_media: WithMedia, media: Media) -> None:
    async with client_of(with_media(None), key=None) as client:
        answer = await client.get(media.link("clip"))

    assert answer.status_code == 404
    assert answer.json()["type"].endswith("/video-off")


class Client:
    """One end of an ASGI connection: takes `takes` blocks, then leaves or takes no more."""

    def __init__(self, takes: int, *, leaves: bool) -> None:
        self.taken = 0
        self._takes = takes
        self._leaves = leaves
        self._left = asyncio.Event()

    async def receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.taken += bool(message.get("body"))
        if self.taken > self._takes:
            if self._leaves:
                self._left.set()
            await asyncio.Event().wait()


async def test_blocks_are_read_as_the_client_takes_them_and_no_more_after_it_left() -> None:
    made = closed = 0

    async def blocks() -> Any:
        nonlocal made, closed
        try:
            for _ in range(100):
                made += 1
                yield b"x"
        finally:
            closed += 1

    client = Client(3, leaves=True)
    served = LimitedRequests(
        StreamedFile(blocks(), 200, {}, "video/mp4"), RequestLimits(1, 60, 60, 1), SystemClock()
    )
    scope = {"type": "http", "method": "GET", "path": "/files/x", "headers": []}
    await served({**scope, STATE_KEY: RequestState()}, client.receive, client.send)

    assert (made, closed) == (4, 1)


async def test_a_client_that_takes_nothing_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, media: Media
) -> None:
    monkeypatch.setattr(files, "STALL_S", 0.01)
    client = Client(1, leaves=False)
    blocks = media.files.read(await media.files.stat("acme", "clip"))

    with pytest.raises(TimeoutError):
        await StreamedFile(blocks, 200, {}, "video/mp4")({}, client.receive, client.send)
