"""What leaves of a stream is what leaves of the whole text, for every way to cut it."""

import json
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.guardrails.rules import place_rule
from deployments.guardrails.spec import PiiRule, RegexRule, UrlsRule, WordsRule
from deployments.guardrails.stream_window import PlaceRule, TextWindow
from deployments.text.pii import find_pii
from load_tests.benchmarks.speed.planted_pii import cut_at_random, planted_texts

PII = PiiRule(id="pii", type="pii", action="redact")
WORDS = WordsRule(id="words", type="words", action="redact", words=("darn", "big secret"))
URLS = UrlsRule(id="urls", type="urls", action="redact", deny=("evil.example",))
TICKETS = RegexRule(
    id="tickets",
    type="regex",
    action="redact",
    pattern=r"\bACME-[0-9]{2,6}\b|proj(?:ect)? x{1,4}?y{1,4}",
    placeholder="[TICKET]",
)
FRAGMENTS = [
    "john.doe@example.com",
    "jane＠ex\u200bample.org",
    "+49 151 23456789",
    "(415) 555-2671",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "DE89",
    "192.168.10.1",
    "2001:db8::ff00:42:8329",
    "https://bob:secret@host.example/x",
    "123-45-6789",
    "password: hunter22x",
    "sk-abcdefghijklmnop1234",
    "d a r n",
    "Dаrn",
    "big-secret",
    "big",
    "http://www.evil.example/a?b=c",
    "ACME-12",
    "ACME-1234567",
    "project xxyy",
    "proj x",
    "hello",
    "你好世界",
    "é",
    "👩\u200d💻",
    ".",
    ",",
    " ",
    "  ",
    "\n",
    "@",
    "-",
    "7",
    "a",
    '"',
    "\\u0040",
]
PIECES = st.sampled_from(FRAGMENTS) | st.text(max_size=5)
TEXTS = st.lists(PIECES, max_size=14).map("".join)
VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def rules(*specs: PiiRule | WordsRule | UrlsRule | RegexRule) -> list[PlaceRule]:
    return [place_rule("p", spec) for spec in specs]


ALL = rules(PII, WORDS, URLS, TICKETS)


def streamed(
    pieces: Sequence[str], used: Sequence[PlaceRule] = ALL, *, is_json: bool = False
) -> str:
    window = TextWindow(used, is_json=is_json)
    return "".join([window.add(piece).text for piece in pieces]) + window.close().text


def cut(text: str, places: Sequence[int]) -> list[str]:
    at = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in zip(at, at[1:], strict=False)]


def merged(text: str) -> str:
    """The whole text redacted, by another way: its spans, joined where they overlap."""
    parts, left, hidden = [], 0, 0
    for span in sorted(find_pii(text), key=lambda each: (each.start, -each.end)):
        if span.start >= hidden:
            parts += [text[max(left, hidden) : span.start], f"[{span.kind.upper()}]"]
            left = span.start
        hidden = max(hidden, span.end)
    return "".join([*parts, text[max(left, hidden) :]])


@given(TEXTS, st.lists(st.integers(0, 400), max_size=30))
def test_every_way_to_cut_a_text_leaves_the_same(text: str, places: list[int]) -> None:
    assert streamed(cut(text, places)) == streamed([text])


@given(TEXTS)
def test_character_by_character_leaves_the_same(text: str) -> None:
    assert streamed(list(text)) == streamed([text])


@given(TEXTS)
def test_a_stream_redacts_what_is_found_in_the_whole_text(text: str) -> None:
    assert streamed(list(text), rules(PII)).casefold() == merged(text).casefold()


@given(VALUES, st.booleans())
def test_json_stays_json(value: object, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii)
    left = streamed(list(text), is_json=True)

    assert left == streamed([text], is_json=True)
    assert type(json.loads(left)) is type(value)


def test_strings_of_json_are_redacted_in_their_escapes_and_numbers_too() -> None:
    text = r'{"a": "write to john\u0040example.com", "b": 4111111111111111, "c": [true, 1.5]}'

    assert json.loads(streamed(list(text), is_json=True)) == {
        "a": "write to [EMAIL]",
        "b": 9999999999999999,
        "c": [True, 1.5],
    }


def test_words_leave_once_no_rule_can_need_them() -> None:
    window = TextWindow(ALL)

    assert window.add("Hello there, the weather").text == "Hello there, the "
    assert window.add(" is fine").text == "weather is "


def test_what_is_held_back_is_bounded() -> None:
    window = TextWindow(ALL)
    given, left = 0, 0
    for _ in range(200):
        given += 50
        left += len(window.add("a" * 50).text)
        assert given - left <= 1_200


def test_after_a_refusal_nothing_leaves() -> None:
    window = TextWindow(rules(PII.model_copy(update={"action": "refuse"})))
    released = window.add("write to john@example.com now. ")

    assert (released.text, released.refusal is not None) == ("write to ", True)
    assert window.add("more").text + window.close().text == ""


def test_what_is_only_flagged_is_never_held_back() -> None:
    window = TextWindow(rules(PII.model_copy(update={"action": "flag"})))

    assert window.add("john@exam").text == "john@exam"
    assert window.add("ple.com ").text == "ple.com "
    assert [finding.rule for finding in window.close().findings] in ([], ["pii"])


@pytest.mark.parametrize(
    "piece", ["a", "1", "1 ", "a@", "+(", ":", "aA1", "x://", "DE89 ", "darn "]
)
def test_hostile_texts_are_read_in_pieces(piece: str) -> None:
    text = piece * (4_000 // len(piece))

    assert streamed([text]) == streamed(cut(text, range(0, 4_000, 97)))


@pytest.mark.parametrize("count", [500, pytest.param(2_000, marks=pytest.mark.exhaustive)])
def test_no_planted_value_leaves_a_stream(count: int) -> None:
    rng = Random(11)
    left = []
    for planted in planted_texts(count, seed=11):
        output = streamed(cut_at_random(planted.text, rng))
        if planted.is_seen_in(output):
            left.append((planted.kind, planted.value, output))

    assert left == []
