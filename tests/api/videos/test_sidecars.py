"""Transcripts that are put beside a video."""

import httpx
import pytest

from cluster.media.videos import GRACE_S
from tests.api.videos.media_world import World
from tests.api.videos.video_forms import JSON, SRT, VIDEOS, VTT, bring


@pytest.mark.parametrize(
    ("content_type", "data", "kind"),
    [
        ("application/x-subrip", SRT, "srt"),
        ("text/vtt; charset=utf-8", VTT, "vtt"),
        ("application/json", JSON, "json"),
        ("text/plain", SRT, "srt"),
        ("application/octet-stream", "\ufeff" + VTT, "vtt"),
        ("", JSON, "json"),
    ],
)
async def test_a_transcript_is_kept_with_its_kind(
    client: httpx.AsyncClient, world: World, content_type: str, data: str, kind: str
) -> None:
    video = await bring(client)
    at = f"{VIDEOS}/{video['id']}"
    answer = await client.put(
        f"{at}/transcript", content=data, headers={"Content-Type": content_type}
    )

    assert answer.status_code == 200
    assert answer.json()["transcript"]["kind"] == kind
    assert answer.json()["transcript"]["bytes"] == len(data.encode())
    assert answer.json()["media"] == video["media"]
    assert (await client.get(at)).json() == answer.json()
    kept = await world.media.files.stat("acme", f"videos/{video['id']}/transcript")
    assert kept.expires == video["expires"] + GRACE_S


async def test_a_transcript_that_cannot_be_read_changes_nothing(client: httpx.AsyncClient) -> None:
    at = f"{VIDEOS}/{(await bring(client))['id']}"
    good = {"Content-Type": "text/srt"}
    await client.put(f"{at}/transcript", content=SRT, headers=good)
    before = (await client.get(at)).json()

    for content, headers, status in (
        (b"bad", good, 422), (b"", good, 422), (SRT, {"Content-Type": "video/mp4"}, 415),
        (b"x" * ((5 << 20) + 1), good, 413),
    ):  # fmt: skip
        answer = await client.put(f"{at}/transcript", content=content, headers=headers)
        assert answer.status_code == status
    assert (await client.get(at)).json() == before
