"""`POST /api/v1/videos/{video}/clips`: what is accepted, what is refused, and what it costs."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.runtime.problems import InvalidRequest
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies, LimitPolicy, SubjectPolicy
from deployments.contracts.clips import ClipOptions
from deployments.contracts.media import AudioTrack, MediaInfo, SubtitleTrack
from deployments.video.job_spec import CLIPS, from_spec
from tests.api.clips.clip_world import ClipWorld, opened
from tests.api.fakes import Records
from tests.api.videos.media_world import READER, STRANGER
from tests.api.web import MakeServices
from tests.media_fixtures.infos import picture, sound

NOBODY_S = "vid_" + "0" * 24


def path_of(video: str) -> str:
    return f"/api/v1/videos/{video}/clips"


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"].rpartition("/")[2])


async def test_an_order_is_accepted_as_a_job(world: ClipWorld, client: httpx.AsyncClient) -> None:
    video = await world.video()

    answer = await client.post(path_of(video.id), json={"count": 3, "start": 10, "end": 40.5})

    assert answer.status_code == 202
    said = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{said['id']}"
    assert int(answer.headers["retry-after"]) >= 1
    assert (said["state"], said["kind"], said["subject"]) == ("queued", CLIPS, video.id)
    assert (await client.get(answer.headers["location"])).json()["state"] == "queued"
    [job] = await world.jobs()
    order = from_spec(job.spec)
    assert order.options == ClipOptions(count=3, start=10.0, end=40.5)
    assert (order.video_seconds, order.path, order.sha256) == (31, video.path, video.sha256)
    assert order.clip_days == 30.0
    line = world.records.lines[0]
    assert (line.tenant, line.action, line.outcome) == ("acme", "clips", "ok")


async def test_nothing_need_be_said_of_the_clips(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    video = await world.video()

    assert (await client.post(path_of(video.id), json={})).status_code == 202
    [job] = await world.jobs()
    assert from_spec(job.spec).options == ClipOptions()


async def test_a_key_makes_one_job_however_many_ask_at_once(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    video = await world.video()
    key = {"Idempotency-Key": "order-1"}

    async def ask() -> httpx.Response:
        return await client.post(path_of(video.id), json={"count": 2}, headers=key)

    answers = await asyncio.gather(*(ask() for _ in range(32)))
    again = await ask()

    assert {answer.status_code for answer in answers} <= {202, 409}
    made = {answer.json()["id"] for answer in (*answers, again) if answer.status_code == 202}
    assert made == {job.id for job in await world.jobs()}
    assert len(made) == 1
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == f"/api/v1/jobs/{made.pop()}"


async def test_a_key_is_of_one_body_and_one_video(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    first, second = await world.video(), await world.video()
    key = {"Idempotency-Key": "order-1"}

    assert (await client.post(path_of(first.id), json={}, headers=key)).status_code == 202
    refused = await client.post(path_of(first.id), json={"count": 1}, headers=key)
    other = await client.post(path_of(second.id), json={}, headers=key)

    assert (refused.status_code, slug(refused)) == (422, "idempotency-key-reused")
    assert other.status_code == 202
    assert [job.subject for job in await world.jobs()] == [second.id, first.id]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"min_s": 30, "max_s": 20}, "min_s", id="min_s over max_s"),
        pytest.param({"start": 20, "end": 20}, "end", id="end not after start"),
        pytest.param({"aspects": ["1:1", "1:1"]}, "aspects", id="one aspect twice"),
        pytest.param({"aspects": []}, "aspects", id="no aspect"),
        pytest.param({"aspects": ["2:1"]}, "aspects", id="unknown aspect"),
        pytest.param({"count": 0}, "count", id="no clip"),
        pytest.param({"count": 31}, "count", id="too many clips"),
        pytest.param({"count": "three"}, "count", id="a count in words"),
        pytest.param({"min_s": 0.5}, "min_s", id="too short"),
        pytest.param({"max_s": 601}, "max_s", id="too long"),
        pytest.param({"start": -1}, "start", id="before the beginning"),
        pytest.param({"end": 1e9}, "end", id="beyond a day"),
        pytest.param({"quality": "best"}, "quality", id="unknown quality"),
        pytest.param({"framing": "zoom"}, "framing", id="unknown framing"),
        pytest.param({"keywords": ["x"] * 21}, "keywords", id="too many keywords"),
        pytest.param({"keywords": [""]}, "keywords", id="an empty keyword"),
        pytest.param({"language": "english!"}, "language", id="no language"),
        pytest.param({"loudness": 0}, "loudness", id="too loud"),
        pytest.param({"audio_track": 0}, "audio_track", id="tracks count from one"),
        pytest.param({"seed": -1}, "seed", id="a negative seed"),
        pytest.param({"seed": 2**31}, "seed", id="a seed too large"),
        pytest.param({"texts": "maybe"}, "texts", id="no boolean"),
        pytest.param({"captions": ""}, "captions", id="no style"),
        pytest.param({"colour": "red"}, "colour", id="an unknown option"),
    ],
)
async def test_an_option_that_is_wrong_is_named(
    world: ClipWorld, client: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    video = await world.video()

    answer = await client.post(path_of(video.id), json=body)

    assert (answer.status_code, slug(answer)) == (422, "malformed-payload")
    error = answer.json()["errors"][0]
    assert field in f"{error['pointer']} {error['detail']}"
    assert await world.jobs() == ()


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"start": NaN}', b'{"count": 1e999}'])
async def test_a_body_that_is_no_order_is_refused(
    world: ClipWorld, client: httpx.AsyncClient, raw: bytes
) -> None:
    video = await world.video()

    headers = {"Content-Type": "application/json"}
    answer = await client.post(path_of(video.id), content=raw, headers=headers)

    assert answer.status_code == 422
    assert await world.jobs() == ()


async def test_a_start_past_the_recording_s_end_is_refused_with_the_end(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    video = await world.video()

    answer = await client.post(path_of(video.id), json={"start": 120})

    assert answer.status_code == 400
    assert (answer.json()["param"], answer.json()["limit"]) == ("start", 120.0)
    assert await world.jobs() == ()


async def test_an_unknown_caption_style_is_refused_with_those_there_are(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    video = await world.video()

    answer = await client.post(path_of(video.id), json={"captions": "wordart"})

    assert (answer.status_code, answer.json()["param"]) == (400, "captions")
    assert "karaoke" in answer.json()["detail"]


async def test_a_recording_without_a_picture_is_clipped_too(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    """A waveform is drawn for it."""
    video = await world.video(sound(60.0))

    answer = await client.post(path_of(video.id), json={"end": 40})

    assert answer.status_code == 202
    [job] = await world.jobs()
    assert from_spec(job.spec).video_seconds == 40


TRACKS = (
    AudioTrack(1, "aac", 2, 48_000, "eng", title="Desktop", silent=True, default=True),
    AudioTrack(2, "aac", 2, 48_000, "eng", title="Microphone", silent=False),
    AudioTrack(3, "aac", 2, 48_000, "deu", silent=False),
)


@pytest.mark.parametrize(
    ("asked", "index"),
    [({}, 2), ({"audio_track": 1}, 1), ({"audio_track": 3}, 3), ({"language": "de"}, 3)],
    ids=["the one that sounds", "a silent one on demand", "another", "by language"],
)
async def test_an_order_has_one_of_the_audio_tracks(
    world: ClipWorld, client: httpx.AsyncClient, asked: dict[str, Any], index: int
) -> None:
    video = await world.video(replace(picture(60.0), audio=TRACKS))

    assert (await client.post(path_of(video.id), json=asked)).status_code == 202
    [job] = await world.jobs()
    assert from_spec(job.spec).info.sound == index


@pytest.mark.parametrize(
    ("info", "number", "said"),
    [
        (picture(60.0), 2, "audio_track: is 2; the recording has one audio track."),
        (replace(picture(60.0), audio=TRACKS), 4, "the recording has 3 audio tracks."),
        (replace(picture(60.0), audio=()), 1, "the recording has no audio track."),
    ],
)
async def test_an_audio_track_that_is_not_there_is_refused_by_name(
    world: ClipWorld, client: httpx.AsyncClient, info: MediaInfo, number: int, said: str
) -> None:
    video = await world.video(info)

    answer = await client.post(path_of(video.id), json={"audio_track": number})

    assert (answer.status_code, slug(answer)) == (400, "unknown-audio-track")
    assert (answer.json()["param"], answer.json()["limit"]) == ("audio_track", len(info.audio))
    assert said in answer.json()["detail"]
    assert await world.jobs() == ()


@pytest.mark.parametrize("state", ["importing", "failed"])
async def test_a_video_that_is_not_ready_cannot_be_clipped_yet(
    world: ClipWorld, client: httpx.AsyncClient, state: str
) -> None:
    video = await world.video(state=state)

    answer = await client.post(path_of(video.id), json={})

    assert answer.status_code == 409
    assert state in answer.json()["detail"]
    assert await world.jobs() == ()


async def test_minutes_of_video_over_the_budget_are_refused_and_cost_nothing(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    world.plan = Plan.model_validate({"id": "p", "budgets": {"video_seconds": {"day": 150}}})
    video = await world.video()
    path = path_of(video.id)
    assert (await client.post(path, json={})).status_code == 202

    refused = await client.post(path, json={})
    assert (refused.status_code, slug(refused)) == (429, "quota-exceeded")
    assert "video_seconds" in refused.json()["detail"]
    assert int(refused.headers["retry-after"]) >= 1
    assert (len(await world.jobs()), await world.charged()) == (1, 120)

    assert (await client.post(path, json={"end": 30})).status_code == 202
    assert (await client.post(path, json={"end": 1})).status_code == 429
    assert await world.charged() == 150
    assert world.records.lines[1].outcome == "quota-exceeded"


async def test_more_than_a_whole_budget_can_never_be_had(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    world.plan = Plan.model_validate({"id": "p", "budgets": {"video_seconds": {"day": 100}}})
    video = await world.video()

    refused = await client.post(path_of(video.id), json={})

    assert refused.status_code == 400
    assert "video_seconds" in refused.json()["detail"]
    assert (await world.jobs(), await world.charged()) == ((), 0)


async def test_an_order_that_fails_gives_its_minutes_back(
    world: ClipWorld, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.plan = Plan.model_validate({"id": "p", "budgets": {"video_seconds": {"day": 120}}})
    video = await world.video()
    with monkeypatch.context() as broken:
        broken.setattr(world.media.jobs, "create", None)
        assert (await client.post(path_of(video.id), json={})).status_code == 500
    assert await world.charged() == 0

    assert (await client.post(path_of(video.id), json={})).status_code == 202
    assert await world.charged() == 120


async def test_a_charge_and_its_refund_count_for_the_tags_of_the_order(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    video = await world.video()
    tagged = {"Mobula-Tags": "beta"}
    assert (await client.post(path_of(video.id), json={}, headers=tagged)).status_code == 202
    assert await world.charged_by("tag", "provider") == {"beta": 120, "local": 120}

    lease = await world.media.jobs.claim("w1", (CLIPS,), 60.0)
    assert lease is not None
    await world.media.jobs.fail(lease, InvalidRequest("None of the clips could be made."))
    assert await world.charged_by("tag", "provider") == {"beta": 0, "local": 0}


async def test_a_replay_costs_nothing(world: ClipWorld, client: httpx.AsyncClient) -> None:
    world.plan = Plan.model_validate({"id": "p", "budgets": {"video_seconds": {"day": 120}}})
    video = await world.video()
    for _ in range(3):
        key = {"Idempotency-Key": "order-1"}
        assert (await client.post(path_of(video.id), json={}, headers=key)).status_code == 202

    assert await world.charged() == 120


async def test_a_job_that_fails_gives_its_minutes_back_for_the_same_day(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    world.plan = Plan.model_validate({"id": "p", "budgets": {"video_seconds": {"day": 120}}})
    video = await world.video()
    path = path_of(video.id)
    assert (await client.post(path, json={})).status_code == 202
    lease = await world.media.jobs.claim("w1", (CLIPS,), 60.0)
    assert lease is not None
    assert (await client.post(path, json={})).status_code == 429

    await world.media.jobs.fail(lease, InvalidRequest("None of the clips could be made."))
    assert await world.charged() == 0
    assert world.media.refunder is not None
    assert [await world.media.refunder.refund_due() for _ in range(2)] == [1, 0]

    assert (await client.post(path, json={})).status_code == 202
    assert await world.charged() == 120


async def test_another_tenant_s_video_is_as_unknown_as_none(world: ClipWorld) -> None:
    video = await world.video()
    async with world.client(STRANGER) as stranger:
        words = []
        for id_ in (video.id, NOBODY_S):
            answer = await stranger.post(path_of(id_), json={})
            assert (answer.status_code, slug(answer)) == (404, "unknown-video")
            words.append(answer.json()["detail"].replace(id_, "ID"))

    assert words[0] == words[1]
    assert await world.jobs() == ()


async def test_who_may_only_look_may_not_order(world: ClipWorld) -> None:
    video = await world.video()
    async with world.client(READER) as reader:
        assert (await reader.post(path_of(video.id), json={})).status_code == 403
    assert await world.jobs() == ()


async def test_an_order_warns_of_scripts_that_captions_cannot_show(
    world: ClipWorld, client: httpx.AsyncClient
) -> None:
    video = await world.video()
    text = "1\n00:00:00,000 --> 00:00:02,000\nhello \u0f56\u0f7c\u0f51\n"
    at, headers = f"/api/v1/videos/{video.id}", {"Content-Type": "text/srt"}
    put = await client.put(f"{at}/transcript", content=text, headers=headers)
    assert put.json()["transcript"]["undrawn_scripts"] == ["Tibetan"]

    warned = (await client.post(path_of(video.id), json={})).json()
    quiet = (await client.post(path_of(video.id), json={"captions": "none"})).json()

    [warning] = warned["warnings"]
    assert "no installed font draws Tibetan" in warning
    assert quiet["warnings"] == []
    assert (await client.get(f"/api/v1/jobs/{warned['id']}")).json()["warnings"] == [warning]


@pytest.mark.parametrize(
    ("policy", "limit"),
    [
        ({"budgets": {"video_seconds": {"day": 40}}}, "key:video_seconds-day"),
        ({"spend": {"amount": 4000}}, "key:spend-total"),
    ],
)
async def test_a_keys_budget_and_its_money_cover_clip_jobs(
    world: ClipWorld, client: httpx.AsyncClient, policy: dict[str, Any], limit: str
) -> None:
    world.plan = Plan.model_validate({"id": "p", "prices": {"video_seconds": 100_000}})
    own = SubjectPolicy("key:writer", LimitPolicy.model_validate(policy))
    world.services.policies["writer"] = CallerPolicies((own,))  # type: ignore[index]
    video = await world.video()

    first = await client.post(path_of(video.id), json={"start": 0, "end": 30})
    second = await client.post(path_of(video.id), json={"start": 0, "end": 30})

    assert first.status_code == 202, first.text
    assert (second.status_code, second.json()["limit"]) == (429, limit)
    assert len(await world.jobs()) == 1


async def test_seconds_of_speech_that_will_be_recognised_are_reserved_but_not_charged_yet(
    make_services: MakeServices, records: Records, tmp_path: Path
) -> None:
    async with opened(tmp_path, make_services(), records, speech="base") as world:
        async with world.client() as client:
            plain = await world.video()
            subtitles = (SubtitleTrack(2, "mov_text", "en", text=True),)
            captioned = await world.video(replace(picture(120.0), subtitles=subtitles))
            silent = await world.video(replace(picture(120.0), audio=()))
            for video, options in ((plain, {"end": 40.5}), (captioned, {}), (silent, {})):
                answer = await client.post(path_of(video.id), json=options)
                assert answer.status_code == 202
        reserved = {job.subject: job.spec["charge"]["audio_seconds"] for job in await world.jobs()}

        assert reserved == {plain.id: 41, captioned.id: 0, silent.id: 0}
        assert await world.charged() == 41 + 120 + 120
