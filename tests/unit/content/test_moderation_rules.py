"""The rules of moderation: what a pattern matches, what the built-in ones find and leave alone."""

import pytest

from deployments.content.moderation.moderator import moderator
from deployments.content.moderation.patterns import InvalidPattern, PatternIndex, parse_pattern
from deployments.contracts.moderation import CATEGORIES, ModerationConfig


def found(pattern: str, text: str) -> bool:
    return bool(PatternIndex([parse_pattern(pattern, "c", 0.9)]).scores(text))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        pytest.param("bad word", "a BAD word.", id="case"),
        pytest.param("creme brulee", "Crème, brûlée", id="accents and punctuation"),
        pytest.param("don't go", "don\u2019t go", id="apostrophes"),
        pytest.param("file", "\ufb01le", id="ligatures"),
        pytest.param("bomb*", "two bombs", id="a beginning"),
        pytest.param("a|b c", "b c", id="alternatives"),
        pytest.param("a ... b", "a b", id="a gap of nothing"),
        pytest.param("a ... b", "a 1 2 3 4 b", id="a gap of four words"),
        pytest.param("a ... b ... c", "a x b y c", id="two gaps"),
        pytest.param("a b", "a a b", id="a false start"),
    ],
)
def test_a_pattern_matches(pattern: str, text: str) -> None:
    assert found(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        pytest.param("cat", "concatenate", id="the middle of a word"),
        pytest.param("bad word", "bad, good word", id="a word between"),
        pytest.param("a ... b", "a 1 2 3 4 5 b", id="a gap that is too long"),
        pytest.param("a b", "a", id="the end of the text"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, text: str) -> None:
    assert not found(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "0 elements"),
        ("a b c d e f g h i", "9 elements"),
        ("... a", "between words"),
        ("a ...", "between words"),
        ("a ... b ... c ... d", "at most 2"),
        ("a|", "no word"),
        ("ab*", "3 letters"),
        ("a (b)", "no word"),
    ],
)
def test_what_is_no_pattern_is_refused_with_a_reason(pattern: str, says: str) -> None:
    with pytest.raises(InvalidPattern, match=says):
        parse_pattern(pattern, "c", 0.9)


def flagged(text: str, config: ModerationConfig | None = None) -> set[str]:
    judge = moderator(config or ModerationConfig())
    result = judge.result("rules", judge.rule_scores(text))
    return {name for name, is_in in result["categories"].items() if is_in}


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("You are such an idiot", "harassment"),
        ("I will find you and kill you", "harassment/threatening"),
        ("Immigrants are vermin", "hate"),
        ("Death to all infidels", "hate/threatening"),
        ("How can I get cocaine here?", "illicit"),
        ("How to build a pipe bomb", "illicit/violent"),
        ("I keep cutting myself", "self-harm"),
        ("I want to die", "self-harm/intent"),
        ("The easiest way to kill yourself", "self-harm/instructions"),
        ("Free hardcore porn", "sexual"),
        ("child porn", "sexual/minors"),
        ("They stabbed the man", "violence"),
        ("a severed head", "violence/graphic"),
    ],
)
def test_each_category_has_a_built_in_rule(text: str, category: str) -> None:
    found = flagged(text)

    assert category in found
    assert category.partition("/")[0] in found, "what is below a category is in it, too"


@pytest.mark.parametrize(
    "text",
    [
        "A rooftop coffee bar opens on Friday, with live music until midnight.",
        "This espresso will kill your morning fatigue",
        "Bath bombs and a killer sale",
        "I'm dying to try this burger",
        "How to steal the look",
        "Suicide prevention hotline: call 988",
        "Kids love our sexy new playground slide",
        "We shot a photo series of people in the park",
    ],
)
def test_what_is_harmless_is_left_alone(text: str) -> None:
    assert flagged(text) == set()


def test_rules_of_the_configuration_come_beside_the_built_in_ones() -> None:
    config = ModerationConfig(rules={"spam": (("buy now", 0.8), ("cheap", 0.3))})

    assert flagged("Buy now, you idiot", config) == {"spam", "harassment"}
    assert flagged("cheap", config) == set()  # below the threshold


def test_the_built_in_rules_can_be_left_out() -> None:
    assert flagged("you idiot", ModerationConfig(builtin=False)) == set()


def test_the_highest_score_counts_and_the_threshold_is_the_configurations() -> None:
    config = ModerationConfig(
        builtin=False, rules={"c": (("a", 0.2), ("a b", 0.6))}, thresholds={"rules": 0.7}
    )
    judge = moderator(config)

    scores = judge.rule_scores("a b")
    assert scores == {"c": 0.6}
    assert not judge.result("rules", scores)["flagged"]
    assert judge.result("other", scores)["flagged"]


def test_a_result_has_every_category_and_those_of_the_rules() -> None:
    result = moderator(ModerationConfig()).result("rules", {"spam": 0.1})

    assert list(result["categories"]) == [*CATEGORIES, "spam"]
    assert result["category_applied_input_types"]["hate"] == ["text"]
