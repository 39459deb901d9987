"""Credentials of our own workers: short-lived, signed, and refused in one way only."""

import base64
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.auth.delegation import (
    INVALID,
    MAX_LENGTH,
    PREFIX,
    TTL_S,
    DelegatedIdentity,
    Delegation,
)
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Unauthenticated

PEPPER = b"p" * 32
CLOCK = ManualClock()
OURS = Delegation(PEPPER, CLOCK)
GOOD = OURS.issue("acme", "key1")
SAID, MAC = GOOD.removeprefix(PREFIX).split(".")


def encoded(said: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def test_what_was_minted_says_for_whom_and_until_when() -> None:
    clock = ManualClock()
    delegation = Delegation(PEPPER, clock)

    found = Delegation(PEPPER, clock).verify(delegation.issue("acme", "key1"))

    assert found == DelegatedIdentity("acme", "key1", clock.wall() + TTL_S)


def test_it_is_good_for_a_minute() -> None:
    clock = ManualClock()
    delegation = Delegation(PEPPER, clock)
    credential = delegation.issue("acme", "key1")
    clock.advance(TTL_S - 0.1)
    delegation.verify(credential)

    clock.advance(0.1)
    with pytest.raises(Unauthenticated):
        delegation.verify(credential)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("", id="nothing"),
        pytest.param(PREFIX, id="only the prefix"),
        pytest.param(PREFIX + SAID, id="no signature"),
        pytest.param(f"{PREFIX}{SAID}.", id="an empty signature"),
        pytest.param(f"{PREFIX}.{MAC}", id="a signature of nothing"),
        pytest.param(f"{GOOD}.{MAC}", id="three parts"),
        pytest.param(GOOD.removeprefix(PREFIX), id="no prefix"),
        pytest.param(GOOD[:-2], id="cut off"),
        pytest.param(f"{PREFIX}{encoded(['other', 'key1', 9e9])}.{MAC}", id="another tenant"),
        pytest.param(f"{PREFIX}{SAID}.{encoded('x' * 30)}", id="another signature"),
        pytest.param(f"{PREFIX}é.ü", id="not ASCII"),
        pytest.param(f"{PREFIX}!!!.???", id="not base64"),
        pytest.param(GOOD + "A" * MAX_LENGTH, id="too long"),
        pytest.param(Delegation(b"q" * 32, CLOCK).issue("acme", "key1"), id="another pepper"),
    ],
)
def test_a_forgery_is_refused_in_the_same_words(forged: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        OURS.verify(forged)

    assert refused.value.detail == INVALID
    assert refused.value.__cause__ is None


def test_no_character_can_be_changed() -> None:
    for at, right in enumerate(GOOD):
        for character in sorted({*string.ascii_letters, *string.digits, *"+/-_=.%"} - {right}):
            with pytest.raises(Unauthenticated):
                OURS.verify(GOOD[:at] + character + GOOD[at + 1 :])


@given(st.text(max_size=600))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        OURS.verify(PREFIX + text)
