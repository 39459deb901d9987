"""API keys: shape and digest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.auth.keys import SHAPE, digest, key_id, mint

PEPPER = b"p" * 32
GIVEN = "mob_operator_" + "A1b2" * 8


def test_keys_differ_and_have_their_shape() -> None:
    keys = [mint() for _ in range(200)]

    assert len({key_id(key) for key in keys}) == 200
    assert all(SHAPE.fullmatch(key) for key in keys)
    assert all(len(key.rpartition("_")[2]) == 32 for key in keys)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("hunter2", id="no key"),
        pytest.param("mob_abcdefgh_short", id="short secret"),
        pytest.param("mob_abcdefgh_" + "x" * 65, id="long secret"),
        pytest.param("mob_abcdefgh_" + "é" * 32, id="not ascii"),
        pytest.param("mob_abcdefgh_" + "１" * 32, id="other digits"),
        pytest.param(GIVEN + "\n", id="trailing newline"),
        pytest.param(" " + GIVEN, id="leading space"),
        pytest.param("mob_ab_" + "x" * 32, id="short id"),
    ],
)
def test_what_has_not_the_shape_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="mob_<id>_<secret>"):
        key_id(text)


@given(st.text())
def test_any_text_is_a_key_or_refused(text: str) -> None:
    if re.fullmatch(r"mob_[0-9A-Za-z]{4,32}_[0-9A-Za-z]{24,64}", text, re.ASCII) is None:
        with pytest.raises(ValueError, match="has the form"):
            key_id(text)


def test_a_digest_depends_on_every_letter_and_on_the_pepper() -> None:
    others = [GIVEN[:i] + "!" + GIVEN[i + 1 :] for i in range(len(GIVEN))]

    digests = {digest(PEPPER, key) for key in [GIVEN, *others]} | {digest(b"q" * 32, GIVEN)}

    assert len(digests) == len(GIVEN) + 2
    assert {len(each) for each in digests} == {32}
