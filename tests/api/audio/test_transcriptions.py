"""OpenAI's transcription API: its own client unmodified, what other clients send, and refusals."""

import asyncio
from typing import Any

import orjson
import pytest

from cluster.resilience.failure_class import ReplicaLost
from cluster.runtime.problems import DeadlineExceeded
from cluster.tenants.plan import Budget, Plan
from cluster.tenants.units import Unit
from tests.api.audio.audio_world import (
    MAX_BYTES,
    TRANSCRIPTIONS,
    TRANSLATIONS,
    AudioWorld,
)
from tests.api.videos.media_world import PLAIN, READER, film
from tests.media_fixtures.scripted_speech import said

TEXT = "Hello there. Tea time."


async def test_openais_client_gets_its_own_objects(world: AudioWorld) -> None:
    audio = world.openai().audio.transcriptions
    file = ("talk.mp3", film())

    plain = await audio.create(file=file, model="whisper-1")
    verbose = await audio.create(
        file=file,
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        language="en",
        prompt="Tea.",
        temperature=0.2,
    )

    assert (plain.text, plain.usage.seconds) == (TEXT, 2)  # type: ignore[union-attr]
    assert (verbose.text, verbose.language, verbose.duration) == (TEXT, "english", 2.0)
    assert verbose.segments is not None
    assert verbose.words is not None
    assert [segment.text.strip() for segment in verbose.segments] == ["Hello there.", "Tea time."]
    assert [word.word for word in verbose.words] == ["Hello", "there.", "Tea", "time."]
    assert verbose.words[2].start == 1.5
    options, _ = world.recognizer.asked[-1]
    assert (options.language, options.prompt, options.temperature) == ("en", "Tea.", 0.2)
    assert options.words
    assert not world.recognizer.asked[0][0].words


async def test_texts_are_answered_as_texts(world: AudioWorld) -> None:
    audio = world.openai().audio.transcriptions
    file = ("talk.mp3", film())

    text, srt, vtt = [
        await audio.create(file=file, model="whisper-1", response_format=format)
        for format in ("text", "srt", "vtt")
    ]

    assert text == f"{TEXT}\n"
    assert str(srt).startswith("1\n00:00:00,000 --> 00:00:01,000\nHello there.\n\n2\n00:00:01,500")
    assert str(vtt).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello there.\n\n")


async def test_a_stream_has_deltas_that_join_to_its_end(world: AudioWorld) -> None:
    stream = await world.openai().audio.transcriptions.create(
        file=("talk.mp3", film()), model="gpt-4o-transcribe", stream=True
    )
    events = [event async for event in stream]

    assert [event.type for event in events] == [
        "transcript.text.delta", "transcript.text.delta", "transcript.text.done",
    ]  # fmt: skip
    deltas = "".join(event.delta for event in events[:-1])  # type: ignore[union-attr]
    assert deltas == TEXT == events[-1].text  # type: ignore[union-attr]
    assert world.seconds_used() == [2]
    assert await world.stored() == 0


async def test_translations_are_english(world: AudioWorld) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):  # the client's own
        answer = await world.openai().audio.translations.create(
            file=("talk.mp3", film()), model="whisper-1", response_format="verbose_json"
        )

    assert (answer.text, answer.language) == (TEXT, "english")
    assert world.recognizer.asked[0][0].task == "translate"


async def test_open_webui_and_langchain_pass_unmodified(world: AudioWorld) -> None:
    """As their sources send it: open_webui/routers/audio.py; OpenAIWhisperParser."""
    webui = await world.post(model="whisper-1", language="en", name="recording.wav")
    langchain = await world.openai().audio.transcriptions.create(
        model="whisper-1",
        file=("part_0.mp3", film()),
        language="en",
        prompt="Tea.",
        response_format="json",
        temperature=0.0,
    )

    assert webui.json()["text"] == langchain.text == TEXT


async def test_seconds_are_charged_once_and_no_file_is_left(world: AudioWorld) -> None:
    await world.post(content=film(12.2))

    assert world.seconds_used() == [13]
    assert [model for _, model, _ in world.records.usage] == ["speech"]
    assert await world.stored() == 0


async def test_repetitions_of_a_request_are_one(world: AudioWorld) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await world.post(headers=headers)
    again = await world.post(headers=headers)
    other = await world.post(content=film(3.0), headers=headers)

    assert (first.json(), again.headers["idempotency-replayed"]) == (again.json(), "true")
    assert other.status_code == 422
    assert world.seconds_used() == [2]
    assert await world.stored() == 0


async def test_a_replica_that_is_lost_in_the_middle_costs_nothing(world: AudioWorld) -> None:
    world.recognizer.breaks = [(1, ReplicaLost("speech", "It is gone."))]

    answer = await world.post()

    assert answer.json()["text"] == TEXT
    assert world.seconds_used() == [2]


@pytest.mark.parametrize(
    ("problem", "status", "charged"),
    [(ReplicaLost("speech", "Gone."), 502, []), (DeadlineExceeded("speech", 1.0), 504, [1])],
)
async def test_failures_of_ours_are_free_and_short_deadlines_are_not(
    problem: Any, status: int, charged: list[int], world: AudioWorld
) -> None:
    world.recognizer.breaks = [(1, problem)] * 3

    answer = await world.post()

    assert answer.status_code == status
    assert world.seconds_used() == charged
    assert await world.stored() == 0


async def test_a_budget_is_reserved_before_anything_is_heard(world: AudioWorld) -> None:
    world.clips.plan = Plan(id="p", budgets={Unit.AUDIO_SECONDS: Budget(day=10)})
    assert (await world.post(content=film(8.0))).status_code == 200

    refused = await world.post(content=film(8.0))

    assert refused.status_code == 429
    assert len(world.recognizer.asked) == 1
    assert (await world.post(content=film(2.0))).status_code == 200


async def test_a_plan_may_leave_speech_out(world: AudioWorld) -> None:
    world.clips.plan = Plan(id="p", models=("nano",))

    assert (await world.post()).status_code == 404


async def test_silence_is_an_empty_transcript(world: AudioWorld) -> None:
    world.recognizer.phrases, world.recognizer.language = (), None

    verbose = (await world.post(response_format="verbose_json")).json()

    assert (verbose["text"], verbose["language"], verbose["segments"]) == ("", "", [])
    assert (await world.post(response_format="srt")).text == ""
    assert (await world.post(response_format="vtt")).text == "WEBVTT\n\n"


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        pytest.param({"content": b"<html>no sound</html>"}, 415, None, id="a lying type"),
        pytest.param({"content": film(0.01)}, 422, None, id="0 s"),
        pytest.param({"content": film(60_000)}, 422, None, id="more than the plan's 4 h"),
        pytest.param({"content": film(size=MAX_BYTES + 1)}, 413, None, id="too many bytes"),
        pytest.param({"response_format": "xml"}, 400, "response_format", id="format"),
        pytest.param({"temperature": "warm"}, 400, "temperature", id="temperature"),
        pytest.param({"temperature": "nan"}, 400, "temperature", id="no number"),
        pytest.param({"language": "English"}, 400, "language", id="language"),
        pytest.param({"model": "tts-9"}, 404, "model", id="model"),
        pytest.param({"timestamp_granularities[]": "letter"}, 400, None, id="granularity"),
        pytest.param({"key": READER}, 403, None, id="a key without the scope"),
        pytest.param({"key": None}, 401, None, id="no key"),
    ],
)
async def test_refusals_name_what_is_wrong(
    change: dict[str, Any], status: int, param: str | None, world: AudioWorld
) -> None:
    answer = await world.post(**change)

    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert param is None or param in f"{error['param']} {error['message']}"
    assert await world.stored() == 0


async def test_a_form_needs_one_file(world: AudioWorld) -> None:
    async with world.client() as client:
        missing = await client.post(TRANSCRIPTIONS, files={"model": (None, "whisper-1")})
        two = [("file", ("a.mp3", film())), ("file", ("b.mp3", film()))]
        twice = await client.post(TRANSCRIPTIONS, files=two)
        json = await client.post(TRANSLATIONS, json={"model": "whisper-1"})

    assert [answer.status_code for answer in (missing, twice, json)] == [400, 400, 415]
    assert await world.stored() == 0


async def test_unknown_fields_are_ignored_and_named(world: AudioWorld) -> None:
    answer = await world.post(chunking_strategy="auto", vad_filter="true", include="logprobs")

    assert answer.status_code == 200
    named = answer.headers["mobula-ignored"]
    assert {"vad_filter", "include"} == set(named.split(", "))


async def test_a_client_that_leaves_ends_the_work(world: AudioWorld) -> None:
    world.recognizer.phrases = [said(float(second), "word") for second in range(0, 600)]
    stream = await world.openai().audio.transcriptions.create(
        file=("talk.mp3", film(600.0)), model="whisper-1", stream=True
    )
    await anext(aiter(stream))
    await stream.close()

    await asyncio.wait_for(world.recognizer.closed.wait(), 5)
    assert await world.stored() == 0


async def test_handles_name_a_video(world: AudioWorld) -> None:
    video = await world.clips.video()
    stored = await world.audio.files.put("acme", video.path, film(30.0), "video/mp4", None)
    assert stored.bytes

    body = orjson.dumps({"video": video.id, "response_format": "srt"})
    answer = await world.handles().call(PLAIN, "transcribe_audio", body, 10.0)

    assert answer["text"].startswith("1\n00:00:00,000")
    assert answer["usage"] == {"type": "duration", "seconds": 30}
