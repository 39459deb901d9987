"""Words of lines that are written from right to left, in the order in which they stand."""

import pytest

from deployments.video.captions.bidi import visual_order

A, B, C = "\u05d0\u05d1", "\u05d2\u05d3", "\u0645\u0631"  # two Hebrew words, an Arabic one


@pytest.mark.parametrize(
    ("logical", "visual"),
    [
        pytest.param("one two 3", "one two 3", id="left to right"),
        pytest.param(f"{A} {B} {C}", f"{C} {B} {A}", id="right to left"),
        pytest.param(f"{A} iPhone 15 {B}", f"{B} iPhone 15 {A}", id="a name and its number"),
        pytest.param(f"{A} 10 20 {B}", f"{B} 20 10 {A}", id="numbers among them"),
        pytest.param(f"he said {A} {B} twice", f"he said {B} {A} twice", id="a quotation"),
        pytest.param(f"he paid 10 {A}", f"he paid 10 {A}", id="a number before one"),
        pytest.param(f"10 {A}", f"{A} 10", id="a number at the beginning"),
        pytest.param(f"({A} - {B})", f"{B}) - ({A}", id="punctuation"),
    ],
)
def test_words_stand_in_the_order_of_their_scripts(logical: str, visual: str) -> None:
    words = logical.split()
    assert " ".join(words[at] for at, _ in visual_order(words)) == visual


def test_only_lines_with_letters_from_right_to_left_are_isolated() -> None:
    assert [direction for _, direction in visual_order(["one", "two."])] == ["", ""]
    assert [direction for _, direction in visual_order([A, "two"])] == ["R", "R"]
    assert [direction for _, direction in visual_order(["one", A + "!"])] == ["L", "L"]
    assert [direction for _, direction in visual_order([A, "one", "two"])] == ["L", "R", "R"]
