"""Clean-up keeps to the limits whatever a model writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.content.brief import Brief
from deployments.content.cleanup import clean, extract_hashtags
from deployments.content.platforms import platform, platforms
from deployments.text.graphemes import clusters, emoji_in, truncate, without_emoji

PIECES = (
    [
        "#tag ",
        "#Ünï ",
        "#",
        "##",
        "👩\u200d👩\u200d👧\u200d👦",
        "🇩🇪🇫",
        "1️⃣",
        "e\u0301",
        "\u200d",
        "\ufe0f",
    ]
    + ["\n\n", " ", ". ", "**", "```", '"', "<|end|>", "Caption: ", "word ", "https://a.b/#c"]
    + ["😀" * 30, "z\u0300" * 40, "long" * 60]
)
NASTY = st.lists(st.text(max_size=40) | st.sampled_from(PIECES), max_size=40).map("".join)


@given(
    raw=NASTY,
    name=st.sampled_from([entry.name for entry in platforms()]),
    hashtags=st.integers(0, 5),
    emoji=st.booleans(),
    topic=st.text(max_size=30),
)
def test_limits_hold_for_any_text(
    raw: str, name: str, hashtags: int, emoji: bool, topic: str
) -> None:
    site = platform(name)
    brief = Brief(topic, platform=name, hashtags=min(hashtags, site.max_hashtags), emoji=emoji)
    finished = clean(brief, raw)
    assert len(finished.text) <= site.max_chars
    assert len(extract_hashtags(finished.text)) <= brief.hashtags
    assert list(finished.hashtags) == extract_hashtags(finished.text)
    folded = [tag.casefold() for tag in finished.hashtags]
    assert len(set(folded)) == len(folded)
    if not emoji:
        assert not emoji_in(finished.body)


@given(text=NASTY, limit=st.integers(0, 300))
def test_a_cut_never_splits_a_grapheme(text: str, limit: int) -> None:
    short = truncate(text, limit)
    assert len(short) <= limit or short == text
    assert text.startswith(short)
    size, ends = 0, {0}
    for cluster in clusters(text):
        size += len(cluster)
        ends.add(size)
    rest = text[len(short) :]
    assert len(short) in ends or rest[:1].isspace()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('"A quiet morning."', "A quiet morning."),
        ("```\nA quiet morning.\n```", "A quiet morning."),
        ("**A quiet** morning.", "A quiet morning."),
        ("Caption: A quiet morning.", "A quiet morning."),
        ("Sure! Here is your caption:\n\nA quiet morning.", "A quiet morning."),
        ("# A quiet morning.", "A quiet morning."),
        ("A quiet morning.<|end|>", "A quiet morning."),
        ("A\n\n\n\nquiet morning.", "A\n\nquiet morning."),
        ('She said "yes" and "no"', 'She said "yes" and "no"'),
    ],
)
def test_wrappers_are_taken_off(raw: str, text: str) -> None:
    assert clean(Brief("tea", hashtags=0), raw).text == text


def test_hashtags_are_deduplicated_limited_and_topped_up() -> None:
    brief = Brief("cold brew", hashtags=3)
    assert clean(brief, "Hi. #A1 #a1 #B2 #C3 #D4").hashtags == ("A1", "B2", "C3")
    assert clean(brief, "I #love it. #Tea").hashtags == ("love", "Tea", "ColdBrew")
    assert clean(Brief("cold brew", hashtags=0), "I #love it. #Tea").text == "I love it."


def test_a_long_text_ends_at_a_sentence() -> None:
    finished = clean(
        Brief("tea", platform="x", hashtags=1), "This is a sentence of tea. " * 30 + "#Tea"
    )
    assert finished.truncated
    assert finished.body.endswith("tea.")
    assert finished.text.endswith("#Tea")
    assert len(finished.text) <= 280


def test_emoji_leave_no_gaps() -> None:
    assert without_emoji("Hi 😀 there 👩‍👩‍👧‍👦! ✨") == "Hi there!"
    assert without_emoji("1 © 2") == "1 © 2"


def test_half_a_character_that_a_model_broke_off_is_left_out() -> None:
    brief = Brief(topic="a book fair", platform="x", hashtags=0)

    assert clean(brief, "Today: a book fair. \N{REPLACEMENT CHARACTER} Come!").body == (
        "Today: a book fair.  Come!"
    )
