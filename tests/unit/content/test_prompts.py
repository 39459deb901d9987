"""Prompts and registries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.content.brief import Brief
from deployments.content.platforms import Platform, platforms, register_platform
from deployments.content.prompts import messages, single_line
from deployments.content.styles import WritingStyle, register_style, styles, tones


def test_a_prompt_says_everything_the_brief_asks() -> None:
    brief = Brief(
        "a tea room",
        "x",
        "playful",
        "bold",
        "long",
        audience="nurses",
        keywords=("calm", "joy"),
        call_to_action=True,
    )
    system, user = messages(brief)
    assert (system["role"], user["role"]) == ("system", "user")
    assert user["content"] == (
        "Write a playful X caption about: a tea room\n"
        "Tone: bold. Length: long. Audience: nurses. Keywords: calm, joy.\n"
        "Include 3 hashtags, emoji and a call to action.\n"
        "Stay under 280 characters."
    )


def test_what_is_off_is_said_too() -> None:
    user = messages(Brief("tea", "linkedin", hashtags=0, emoji=False, kind="post"))[1]["content"]
    assert user.endswith("Do not use hashtags or emoji.")
    assert "LinkedIn post about: tea" in user


def test_another_language_is_named() -> None:
    assert "Write in French." in messages(Brief("tea", language="French"))[1]["content"]


@given(st.text())
def test_user_text_stays_on_one_line_and_spells_no_control_token(text: str) -> None:
    line = single_line(text)
    assert len(line.splitlines()) <= 1
    assert "<|" not in line


def test_registries_refuse_a_name_twice() -> None:
    for register, entry in ((register_style, styles()[0]), (register_platform, platforms()[0])):
        with pytest.raises(ValueError, match="already registered"):
            register(entry)  # type: ignore[operator]
    assert isinstance(styles()[0], WritingStyle)
    assert isinstance(platforms()[0], Platform)
    assert len(styles()) >= 8
    assert len(tones()) >= 6


def test_pictures_are_the_topic_or_go_with_it() -> None:
    alone = messages(Brief("", pictures=1))[1]["content"]
    beside = messages(Brief("tea", pictures=2))[1]["content"]

    assert alone.startswith("Write a casual Instagram caption about what this picture shows.\nTone")
    assert "about: tea\nKeep to what these 2 pictures show.\n" in beside
