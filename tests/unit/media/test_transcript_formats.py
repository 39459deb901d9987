"""Transcripts as subtitles, as text and as OpenAI's JSON; and documents that are read back."""

from typing import Any

import pytest

from deployments.contracts.speech import DetectedLanguage
from deployments.media.documents import (
    language_of,
    segment_from_json,
    segment_to_json,
    segments_of,
    transcript_document,
)
from deployments.media.language_names import LANGUAGE_NAMES, english_name
from deployments.media.transcript_formats import render_text, verbose_json
from deployments.speech.languages import LANGUAGES
from tests.media_fixtures.scripted_speech import said

SEGMENTS = [said(0.0, "Hello", "<b>"), said(3_599.9996, "Tea", "&", "\n", "time.")]


@pytest.fixture
def transcript() -> dict[str, Any]:
    return transcript_document("transcribe", DetectedLanguage("de", 0.9), SEGMENTS, 3_602.0)


def test_subtitles_have_times_of_milliseconds_and_one_line_each(
    transcript: dict[str, Any],
) -> None:
    assert render_text(transcript, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,000\nHello <b>\n\n"
        "2\n01:00:00,000 --> 01:00:02,000\nTea & time.\n\n"
    )
    assert render_text(transcript, "vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello &lt;b&gt;\n\n"
        "01:00:00.000 --> 01:00:02.000\nTea &amp; time.\n\n"
    )


def test_a_text_is_the_segments_joined(transcript: dict[str, Any]) -> None:
    assert render_text(transcript, "text") == "Hello <b> Tea & \n time.\n"


def test_verbose_json_has_the_parts_that_were_asked_for(transcript: dict[str, Any]) -> None:
    words = verbose_json(transcript, words=True, segments=False)
    segments = verbose_json(transcript, words=False, segments=True)

    assert (words["language"], segments["language"]) == ("german", "german")
    assert "segments" not in words
    assert words["words"][0] == {"word": "Hello", "start": 0.0, "end": 0.4}
    assert "words" not in segments
    assert set(segments["segments"][1]) == {
        "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob",
        "compression_ratio", "no_speech_prob",
    }  # fmt: skip


def test_translations_are_english_whatever_was_spoken(transcript: dict[str, Any]) -> None:
    translated = {**transcript, "task": "translate"}

    assert verbose_json(translated, words=False, segments=False)["language"] == "english"


def test_silence_has_no_language_and_no_cues() -> None:
    silent = transcript_document("transcribe", None, [], 5.0)

    assert verbose_json(silent, words=True, segments=True)["language"] == ""
    assert [render_text(silent, each) for each in ("srt", "vtt", "text")] == [
        "", "WEBVTT\n\n", "\n",
    ]  # fmt: skip


def test_every_recognised_language_has_a_name() -> None:
    assert {code for code in LANGUAGES if english_name(code) == code} == set()
    assert set(LANGUAGE_NAMES) >= LANGUAGES


def test_documents_and_checkpoints_are_read_back(transcript: dict[str, Any]) -> None:
    [first, _] = segments_of(transcript)

    assert (first.text, first.words[0].text) == (SEGMENTS[0].text, "Hello")
    assert language_of(transcript) == DetectedLanguage("de", 0.9)
    assert [segment_from_json(segment_to_json(each)) for each in SEGMENTS] == SEGMENTS
