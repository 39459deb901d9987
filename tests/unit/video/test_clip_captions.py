"""What a clip says of its captions: the style that was burnt in, and why words are missing."""

from dataclasses import replace
from typing import Any

import pytest

from deployments.contracts.clips import ClipOptions, Highlight
from deployments.contracts.media import NO_TRANSCRIPT, Transcript
from deployments.video.clip_pipeline import describe_captions, plan_task
from deployments.video.job_spec import ClipJobSpec
from tests.media_fixtures.infos import picture
from tests.media_fixtures.spoken import speech

TIBETAN = "\u0f56\u0f7c\u0f51\u0f0b\u0f61\u0f72\u0f42"
SPEC = ClipJobSpec("v", "talk.mp4", "p", "", picture(10.0), ClipOptions(), 10, 7.0)


def about(transcript: Transcript, captions: str = "karaoke") -> dict[str, Any]:
    spec = replace(SPEC, options=ClipOptions(captions=captions))
    highlight = Highlight(0.0, 10.0, 0.5, {}, ())
    plan, subtitles, omitted = plan_task(
        spec, transcript, highlight, None, 1, "x264", lambda: False
    )
    return describe_captions(transcript, spec, plan, subtitles, omitted)


def test_a_transcript_that_no_font_draws_says_so_and_that_nothing_was_burnt_in() -> None:
    said = about(speech(TIBETAN))
    assert said["style"] == "none"
    assert "no installed font draws Tibetan" in said["why"]


def test_words_that_are_left_out_are_named_beside_those_that_are_drawn() -> None:
    said = about(speech(f"hello {TIBETAN} world"))
    assert said["style"] == "karaoke"
    assert "Tibetan" in said["why"]


@pytest.mark.parametrize("text", ["hello", "\u0645\u0631\u062d\u0628\u0627", "\u65e5\u672c\u8a9e"])
def test_a_script_with_a_font_is_drawn_and_nothing_is_missing(text: str) -> None:
    said = about(speech(text))
    assert (said["style"], said["why"]) == ("karaoke", "")


def test_who_asked_for_no_captions_is_told_of_no_font() -> None:
    said = about(speech(TIBETAN), "none")
    assert (said["style"], said["why"]) == ("none", "")


def test_where_nothing_is_said_the_transcript_says_why() -> None:
    assert about(NO_TRANSCRIPT)["why"] == NO_TRANSCRIPT.why
