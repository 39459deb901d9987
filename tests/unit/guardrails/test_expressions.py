"""Expressions of operators: what they find in a stream is what RE2 finds in the whole text."""

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deployments.guardrails.prefixes import InvalidExpression, prefix_expression
from deployments.guardrails.rules import place_rule
from deployments.guardrails.spec import GuardrailConfig, RegexRule
from deployments.guardrails.stream_window import TextWindow

LETTERS = "abc"
ATOMS = st.sampled_from(["a", "b", "c", "[ab]", "[^a]", ".", r"\b", r"\w", "ab", "(?i:A)"])


def repeated(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    counts = st.sampled_from(["", "?", "{1,3}", "{2}", "{0,2}?", "??"])
    return st.builds(lambda body, count: f"(?:{body}){count}", inner, counts)


EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map(lambda each: f"({'|'.join(each)})")
        | repeated(inner)
    ),
    max_leaves=6,
)


def is_usable(pattern: str) -> bool:
    try:
        prefix_expression(pattern, 256)
    except InvalidExpression:
        return False
    return True


@given(EXPRESSIONS.filter(is_usable), st.text(LETTERS + " A", max_size=30))
def test_a_stream_of_characters_is_redacted_as_re2_would(pattern: str, text: str) -> None:
    rule = RegexRule(id="r", type="regex", action="redact", pattern=pattern, placeholder="#")
    window = TextWindow([place_rule("p", rule)])

    left = "".join([window.add(character).text for character in text]) + window.close().text

    assert left == re2.sub(f"(?:{pattern})", "#", text)


@given(EXPRESSIONS.filter(is_usable), st.text(LETTERS + " ", max_size=12))
def test_every_beginning_of_a_match_is_one(pattern: str, text: str) -> None:
    beginnings = re2.compile(f"(?:{prefix_expression(pattern)})\\z")
    for match in re2.compile(pattern).finditer(text):
        for end in range(match.start(), match.end() + 1):
            found = beginnings.search(text[:end], max(0, match.start()))
            assert found is not None
            assert found.start() <= match.start()


def test_what_may_still_become_a_match_is_held_back_and_nothing_else() -> None:
    rule = RegexRule(id="r", type="regex", action="redact", pattern=r"ACME-\d{4}")
    window = TextWindow([place_rule("p", rule)])

    assert window.add("it is ACME").text == "it is "
    assert window.add("-12").text == ""
    assert window.add(".").text == "ACME-12."


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"pattern": "a+"}, "more than 256 characters"),
        ({"pattern": "a{300}"}, "more than 256 characters"),
        ({"pattern": "a*"}, "empty text"),
        ({"pattern": "(a"}, "missing"),
        ({"pattern": "(?=a)b"}, "invalid perl operator"),
        ({"pattern": r"(a)\1"}, "invalid escape"),
        ({"pattern": "a", "placeholder": 'x"'}, "pattern"),
        ({"pattern": "a", "action": "drop"}, "redact"),
    ],
)
def test_a_rule_that_could_not_be_kept_is_refused_with_the_reason(
    rule: dict[str, str], why: str
) -> None:
    rules = [{"id": "r", "type": "regex", "action": "redact", **rule}]

    with pytest.raises(ValidationError, match=why):
        GuardrailConfig.model_validate({"policies": {"p": {"rules": rules}}})


def test_on_input_alone_a_match_may_be_of_any_length() -> None:
    rule = RegexRule(id="r", type="regex", action="redact", pattern="a+", applies_to="input")

    assert TextWindow([place_rule("p", rule)]).add("b" + "a" * 900 + "b").text[0] == "b"
