"""Recordings that are to be fetched from a URL, as they are asked for."""

import asyncio
from typing import Any

import httpx
import pytest

from cluster.storage.tables import jobs
from tests.api.videos.media_world import World
from tests.api.videos.video_forms import SRT, VIDEOS


async def test_a_url_is_fetched_by_a_job(client: httpx.AsyncClient, world: World) -> None:
    body = {"url": "https://cdn.example.com/talks/opening.mp4?sig=abc"}
    answer = await client.post(VIDEOS, json=body)

    assert answer.status_code == 202
    video, job = answer.json()["video"], answer.json()["job"]
    assert answer.headers["location"] == f"/api/v1/jobs/{job}"
    assert (video["state"], video["name"]) == ("importing", "opening.mp4")
    assert (await client.get(f"{VIDEOS}/{video['id']}")).json() == video
    made = await world.jobs.get("acme", job)
    assert (made.kind, made.subject, made.spec["url"]) == ("video.import", video["id"], body["url"])
    assert (await client.delete(f"{VIDEOS}/{video['id']}")).status_code == 409


async def test_an_import_that_is_canceled_leaves_a_failed_video(
    client: httpx.AsyncClient, world: World
) -> None:
    answer = (await client.post(VIDEOS, json={"url": "https://cdn.example.com/a.mp4"})).json()
    await world.jobs.cancel("acme", answer["job"])

    at = f"{VIDEOS}/{answer['video']['id']}"
    found = (await client.get(at)).json()
    assert (found["state"], found["problem"]["slug"]) == ("failed", "import-canceled")
    beside = await client.put(f"{at}/transcript", content=SRT, headers={"Content-Type": "text/srt"})
    assert beside.status_code == 409
    assert (await client.delete(at)).status_code == 204


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"url": "http://cdn.example.com/a.mp4"}, 400, id="not https"),
        pytest.param({"url": "https://127.0.0.1/a.mp4"}, 400, id="loopback"),
        pytest.param({"url": "https://169.254.169.254/latest"}, 400, id="metadata service"),
        pytest.param({"url": "https://inside.example.com/a.mp4"}, 400, id="resolves inside"),
        pytest.param({"url": "file:///etc/passwd"}, 400, id="a file"),
        pytest.param({"url": "https://user:pw@cdn.example.com/a"}, 400, id="a password"),
        pytest.param({"url": ""}, 422, id="empty"),
        pytest.param({}, 422, id="none"),
        pytest.param({"url": "https://cdn.example.com/a", "x": 1}, 422, id="another field"),
    ],
)
async def test_a_url_that_may_not_be_reached_is_refused_before_anything_is_made(
    client: httpx.AsyncClient, world: World, body: dict[str, Any], status: int
) -> None:
    answer = await client.post(VIDEOS, json=body)
    assert answer.status_code == status
    assert (await client.get(VIDEOS)).json()["data"] == []
    async with world.media.database.read() as connection:
        assert (await connection.execute(jobs.select())).first() is None


async def test_one_key_makes_one_import_however_many_send_it(
    client: httpx.AsyncClient, world: World
) -> None:
    async def ask(url: str) -> httpx.Response:
        headers = {"Idempotency-Key": "import-1"}
        return await client.post(VIDEOS, json={"url": url}, headers=headers)

    answers = await asyncio.gather(*(ask("https://cdn.example.com/a.mp4") for _ in range(16)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    accepted = [answer for answer in answers if answer.status_code == 202]
    again = await ask("https://cdn.example.com/a.mp4")
    assert {answer.text for answer in accepted} == {again.text}
    assert again.headers["location"] == accepted[0].headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert (await ask("https://cdn.example.com/b.mp4")).status_code == 422
    assert len((await client.get(VIDEOS)).json()["data"]) == 1
    assert len((await world.jobs.page("acme")).items) == 1


async def test_a_json_body_is_small(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post(VIDEOS, headers=headers, content=b" " * (65 << 10))
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 64 << 10)
