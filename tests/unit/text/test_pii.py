"""Personal data is found by its form, whatever characters it is written in, in linear time."""

from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import InvalidRequest
from deployments.text.pii import find_pii
from deployments.text.pii_kinds import KINDS
from load_tests.benchmarks.speed.planted_pii import planted_texts


def found(text: str, *kinds: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in find_pii(text, kinds or KINDS)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "john.doe+news@example.co.uk"),
        ("email", "müller@bücher.example"),
        ("phone", "+49 (0)151 2345-6789"),
        ("phone", "0049 30 123456"),
        ("phone", "030/1234567"),
        ("phone", "(415) 555-2671"),
        ("phone", "415-555-2671"),
        ("card", "4111 1111 1111 1111"),
        ("card", "378282246310005"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB82WEST12345698765432"),
        ("ipv4", "192.168.10.1"),
        ("ipv6", "2001:db8::ff00:42:8329"),
        ("ipv6", "::1"),
        ("url_credentials", "https://bob:secret@host.example"),
        ("national_id", "123-45-6789"),
        ("national_id", "AB 12 34 56 C"),
        ("national_id", "12345678Z"),
        ("national_id", "X1234567L"),
        ("national_id", "RSSMRA85T10A562S"),
        ("national_id", "1 85 05 78 006 084 91"),
        ("national_id", "11010519491231002X"),
        ("national_id", "529.982.247-25"),
        ("secret", "sk-abcdefghijklmnop1234"),
        ("secret", "password: hunter22x"),
        ("secret", "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_each_kind_is_found_in_a_sentence(kind: str, value: str) -> None:
    assert (kind, value) in found(f"Please take {value}, it is mine.")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Steuer-ID: 86 095 742 719", "national_id"),
        ("PESEL 44051401359", "national_id"),
        ("my cell is 4155552671", "phone"),
    ],
)
def test_some_numbers_need_a_word_that_speaks_for_them(text: str, kind: str) -> None:
    number = text[text.index(next(filter(str.isdigit, text))) :]

    assert (kind, number) in found(text)
    assert (kind, number) not in found(f"There are {number} of them")


@pytest.mark.parametrize(
    "text",
    [
        "on 2024-01-31 at 12:30:45, and on 31.12.2024",
        "order 12345678 for 1,234,567.89 dollars",
        "4111 1111 1111 1112",
        "DE88 3704 0044 0532 0130 00"[:4] + " is a code",
        "version 1.2.3.4.5 and 999.1.1.1",
        "a ratio of 3:4 or 10:20",
        "the password is wrong",
        "see https://host.example/path?x=1",
        "you@, @you and a@b",
        "000-12-3456 and 123-00-4567",
        "The quick brown fox jumps over the lazy dog 12 times in 2024.",
        "A" * 40,
        "https://example.com/a-long-path-of-words/and-more-words/until-the-end",
    ],
)
def test_what_only_looks_alike_is_not_found(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("jane＠example．org", "email"),
        ("jo\u200bhn@ex\u00adample.com", "email"),
        ("jоhn@ехample.com", "email"),  # Cyrillic letters
        ("４１１１\u00a01111\u20091111 1111", "card"),
        ("+49\u2011151\u201123456789", "phone"),
        ("٠٠٤٩ ٣٠ ١٢٣٤٥٦", "phone"),
        ("𝟏𝟗𝟐.𝟏𝟔𝟖.𝟏𝟎.𝟏", "ipv4"),
    ],
)
def test_other_ways_to_write_characters_are_no_disguise(text: str, kind: str) -> None:
    assert found(f"it is {text} now", kind) == [(kind, text)]


def test_kinds_are_looked_for_as_asked() -> None:
    text = "john@example.com, 192.168.10.1"

    assert found(text, "ipv4") == [("ipv4", "192.168.10.1")]
    with pytest.raises(InvalidRequest, match="'names' is none of"):
        find_pii(text, ["names"])


def test_all_of_two_thousand_planted_values_are_found_with_their_kind() -> None:
    planted = planted_texts(2_000, seed=5)
    missed = []
    for each in planted:
        start = each.text.index(each.value)
        spans = [span for span in find_pii(each.text) if span.kind == each.kind]
        covered = [s for s in spans if s.start <= start and s.end >= start + len(each.value)]
        if not covered:
            missed.append((each.kind, each.value))

    assert missed == []


@given(st.text(max_size=200))
def test_spans_are_places_of_the_text_in_order(text: str) -> None:
    spans = find_pii(text)

    assert spans == sorted(spans)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(0 <= span.score <= 1 for span in spans)


HOSTILE = ["a", "1", "1 ", "a@", "+(", ":", "1.", "aA1", "x://", "DE89", "DE89 ", "password "]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_texts_take_time_in_proportion_to_their_length(piece: str) -> None:
    def time_of(length: int) -> float:
        text = piece * (length // len(piece))
        started = thread_time()
        find_pii(text)
        return thread_time() - started

    most = 8 * min(time_of(4_000) for _ in range(3)) * 3 + 0.02  # quadratic would be 64 times

    assert any(time_of(32_000) < most for _ in range(2))
