"""Clean-up, scoring and prompts take time in proportion to the text, whatever it is made of."""

import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from deployments.content.brief import Brief
from deployments.content.cleanup import _remove_emphasis, _split_tags, clean, extract_hashtags
from deployments.content.prompts import single_line
from deployments.content.scoring import score
from deployments.text.graphemes import clusters

BRIEF = Brief(topic="coffee", platform="linkedin", emoji=False)
UNITS = (
    " #a", "#a ", "**a ", "__a ", "**a ** ", "?!", "?'", "\N{REGIONAL INDICATOR SYMBOL LETTER A}",
    "a  \t ", "|", "<|", "|>", "#1", "``` ", "<|a", "\N{MAN}\N{ZERO WIDTH JOINER}", "a.", "# ",
)  # fmt: skip
LONGEST_S = 0.1  # of 16 KiB; what was quadratic took seconds


def _seconds(text: str) -> float:
    began = time.thread_time()
    single_line(text)
    score(BRIEF, clean(BRIEF, text))
    clean(BRIEF, f"a{text}x")
    return time.thread_time() - began


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_output_of_a_model_is_cleaned_in_linear_time(unit: str) -> None:
    text = unit * (16_384 // len(unit))

    assert any(_seconds(text) < LONGEST_S for _ in range(3))


@given(st.lists(st.sampled_from(["**", "__", "*", "_", "a", " ", "\n", "é"]), max_size=30))
def test_emphasis_is_what_a_regular_expression_would_find(parts: list[str]) -> None:
    text = "".join(parts)
    expected = regex.sub(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", r"\2", text)

    assert _remove_emphasis(text) == expected


@given(st.lists(st.sampled_from(["#a", "#1", "#b2", "x", " ", "\n", "#"]), max_size=20))
def test_closing_hashtags_are_those_that_end_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    tail = regex.compile(r"(?:^|\s+)#[\w\p{M}]*\p{L}[\w\p{M}]*\s*$")
    body, closing = text, list[str]()
    while match := tail.search(body):
        closing[:0] = extract_hashtags(match.group())
        body = body[: match.start()]

    found, inside, left = _split_tags(text, 30)

    known = {tag.casefold() for tag in inside}
    assert len(found) <= len(body.rstrip())
    assert left == [tag for tag in dict.fromkeys(closing) if tag not in known]


@given(st.text("ab\N{REGIONAL INDICATOR SYMBOL LETTER A}\ufe0f\u0301 ", max_size=40))
def test_flags_in_long_runs_stay_whole(text: str) -> None:
    assert clusters(text) == regex.findall(r"\X", text)


@given(st.text("<|>ae \n", max_size=40))
def test_no_text_spells_a_control_token(text: str) -> None:
    line = single_line(text)

    assert "<|" not in line
    assert "|>" not in line
