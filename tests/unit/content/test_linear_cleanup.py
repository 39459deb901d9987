"""The linear forms of what used to be patterns mean what the patterns meant."""

import regex
from hypothesis import given
from hypothesis import strategies as st

from deployments.content.cleanup import _remove_emphasis, _split_closing_tags, extract_hashtags
from deployments.text.graphemes import clusters, truncate

_TAIL = regex.compile(r"(?:^|\s+)#[\w\p{M}]*\p{L}[\w\p{M}]*\s*$")
_EMPHASIS = regex.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
JOINING = [
    "\U0001f1e9", "\U0001f1ea", "\u0301", "\u200d", "\U0001f468", "\ufe0f", "\u0903", "\u1100",
    "\u1161", "\r\n", " ", "a",
]  # fmt: skip


def texts(*units: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(units), max_size=14).map("".join)


@given(texts("*", "**", "_", "__", "a", "b", " ", "***"))
def test_emphasis_is_taken_off_as_by_the_pattern(line: str) -> None:
    assert _remove_emphasis(line) == _EMPHASIS.sub(r"\2", line)


@given(texts("#", "#a", " ", "1", "\n", "!", "e\u0301", "_", "#1", "b"))
def test_closing_hashtags_are_split_off_as_by_the_pattern(text: str) -> None:
    expected: list[str] = []
    rest = text
    while found := _TAIL.search(rest):
        expected[:0] = extract_hashtags(found.group())
        rest = rest[: found.start()]

    assert _split_closing_tags(text) == (rest, expected)


@given(texts(*JOINING))
def test_clusters_are_extended_grapheme_clusters(text: str) -> None:
    assert clusters(text) == regex.findall(r"\X", text)


@given(texts(*JOINING, ".", "!", '"', "#"), st.integers(1, 12), texts(*JOINING))
def test_what_lies_far_behind_the_limit_does_not_matter_to_the_cut(
    text: str, limit: int, tail: str
) -> None:
    if len(text) > limit:
        assert truncate(text + "a" + tail, limit) == truncate(text + "a", limit)
