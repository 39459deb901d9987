"""The words of a recording while they come: so far, after a crash, kept, and if hearing fails."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.runtime.problems import NotInstalled
from deployments.contracts.clips import ClipOptions
from deployments.contracts.media import MediaInfo
from deployments.sandbox.errors import MediaDamaged
from deployments.video.speech_listener import listening, stored_speech
from tests.media_fixtures.infos import picture
from tests.unit.video.scripted_speech import (
    FilesInMemory,
    JobInMemory,
    ScriptedRecognizer,
    context_of,
    listener_of,
    segment,
)

SAID = [segment(30.0 * n + 2, f"Sentence number {n}.") for n in range(20)]


async def test_words_are_there_while_the_rest_is_heard() -> None:
    recognizer = ScriptedRecognizer(SAID, paced=True)
    assert recognizer.paced is not None
    async with listening(listener_of(recognizer, context_of())) as listener:
        for _ in range(2):
            recognizer.paced.release()
        async with asyncio.timeout(10):
            await listener.wait_until(60.0)
        assert listener.until == 60.0
        assert [word.text for word in listener.so_far().words][-2:] == ["number", "1."]
        for _ in range(18):
            recognizer.paced.release()
        async with asyncio.timeout(10):
            transcript = await listener.transcript()

    assert (transcript.origin, transcript.language, len(transcript.words)) == ("speech", "en", 60)
    assert listener.heard_s == 600.0
    assert [word.ends_sentence for word in transcript.words[:3]] == [False, False, True]


async def test_after_a_crash_one_window_at_most_is_heard_again() -> None:
    job = JobInMemory()
    dying = ScriptedRecognizer(SAID, paced=True)
    assert dying.paced is not None
    async with listening(listener_of(dying, context_of(job))) as listener:
        for _ in range(5):
            dying.paced.release()
        async with asyncio.timeout(10):
            await listener.wait_until(150.0)

    again = ScriptedRecognizer(SAID)
    async with listening(listener_of(again, context_of(job))) as listener:
        assert listener.until == 150.0
        transcript = await listener.transcript()

    assert [(heard.start, heard.language) for heard in again.heard] == [(150.0, "en")]
    assert len(transcript.words) == 60
    assert listener.heard_s == 600.0


async def test_what_was_heard_before_is_neither_heard_nor_charged_again() -> None:
    files = FilesInMemory()
    async with listening(listener_of(ScriptedRecognizer(SAID), context_of(), files)) as listener:
        first = await listener.transcript()

    second = ScriptedRecognizer([])
    async with listening(listener_of(second, context_of(), files)) as listener:
        assert await listener.transcript() == first
        assert listener.heard_s == 0.0
    assert second.heard == []


async def test_only_the_wanted_range_is_heard() -> None:
    recognizer = ScriptedRecognizer(SAID)
    context = context_of(start=100.0, end=200.0, language="de")
    async with listening(listener_of(recognizer, context)) as listener:
        await listener.transcript()

    (heard,) = recognizer.heard
    assert (heard.start, heard.end, heard.language) == (100.0, 200.0, "de")
    assert listener.heard_s == 100.0


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "small"},
        {"options": ClipOptions(language="de")},
        {"options": ClipOptions(end=30.0)},
        {"info": replace(picture(600.0), sound=None, audio=())},
    ],
    ids=["model", "language", "range", "track"],
)
def test_another_hearing_is_kept_apart(changed: dict[str, object]) -> None:
    info: MediaInfo = picture(600.0)
    plain = {"sha256": "ab", "info": info, "options": ClipOptions(), "model": "base"}

    assert stored_speech(**plain) != stored_speech(**{**plain, **changed})  # type: ignore[arg-type]
    assert stored_speech(**plain) == stored_speech(**{**plain, "options": ClipOptions(count=9)})  # type: ignore[arg-type]


async def test_a_recording_that_is_damaged_half_way_has_the_words_before() -> None:
    recognizer = ScriptedRecognizer(SAID, failure=MediaDamaged("It is damaged."), fails_at=90.0)
    files = FilesInMemory()
    async with listening(listener_of(recognizer, context_of(), files)) as listener:
        transcript = await listener.transcript()

    assert len(transcript.words) == 9
    assert files.stored == {}
    assert listener.heard_s == 90.0


async def test_without_a_model_the_transcript_says_why() -> None:
    lack = NotInstalled("The packages of the speech model are missing.", "Install them.")
    recognizer = ScriptedRecognizer([], failure=lack)
    async with listening(listener_of(recognizer, context_of())) as listener:
        transcript = await listener.transcript()

    assert (transcript.words, transcript.origin) == ((), "none")
    assert "missing" in transcript.why
    assert listener.heard_s == 0.0


async def test_a_recording_in_which_nobody_speaks_has_no_words() -> None:
    async with listening(listener_of(ScriptedRecognizer([]), context_of())) as listener:
        transcript = await listener.transcript()

    assert (transcript.words, transcript.why) == ((), "nothing is said in the recording")


async def test_a_stored_file_that_is_none_of_ours_is_heard_again(tmp_path: Path) -> None:
    files = FilesInMemory()
    context = context_of()
    path = stored_speech("ab", context.source.info, context.spec.options, "base")
    files.stored[path] = b'{"segments": [{"start": "x"}]}'

    async with listening(listener_of(ScriptedRecognizer(SAID), context, files)) as listener:
        assert len((await listener.transcript()).words) == 60
