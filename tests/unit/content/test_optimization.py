"""Drafts edited by rules: what is kept, what never falls, what stops."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.content.optimization.candidates import find_candidates
from deployments.content.optimization.choice import ScoredText, choose
from deployments.content.optimization.differences import differences_of_edits, find_differences
from deployments.content.optimization.draft import DraftText
from deployments.content.optimization.editors.sentences import move_hook, split_sentences
from deployments.content.optimization.editors.wording import plain_words, quiet_capitals
from deployments.content.optimization.kept_items import KeptItems
from deployments.content.optimization.operation import lexicon_sentiment
from deployments.content.optimization.rewriting import clean_rewrite, rewrite_messages
from deployments.content.optimization.search import EditedText
from deployments.content.optimization.task import (
    GOALS,
    KEEPABLE,
    ModelRewrite,
    OptimizationTask,
    task_of,
)

LONG = (
    "We have moved the roastery to a bigger house at the market, and we have built the new bar "
    "from old doors because everybody who came by wanted to sit down and drink a cup"
)


def task(text: str, **changes: object) -> OptimizationTask:
    return OptimizationTask(text, **{"platform": "instagram", **changes})  # type: ignore[arg-type]


def optimized(text: str, **changes: object) -> str:
    found = find_candidates(task(text, **changes), lexicon_sentiment).texts
    return found[0].text if found else text


def proposals(rule: object, text: str) -> list[str]:
    draft = DraftText(text, task(text))
    return [edit.apply(text) for edit in rule(draft)]  # type: ignore[operator]


def test_a_long_sentence_is_split_where_two_clauses_meet() -> None:
    [split, *_] = proposals(split_sentences, f"{LONG}.")

    assert "at the market. We have built" in split
    assert proposals(split_sentences, "We like coffee, and we like tea.") == []


def test_a_question_moves_to_the_front_and_what_leans_on_another_sentence_does_not() -> None:
    weak = "The roastery at the market has built a long new bar out of several old doors."

    [moved, *_] = proposals(move_hook, f"{weak} Do you want to sit down?")
    assert moved == f"Do you want to sit down? {weak}"
    assert proposals(move_hook, f"{weak} This is for you, 7 days a week.") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We utilize it", "We use it"),
        ("In order to win", "To win"),
        ("see #utilize", None),
        ("https://a.b/utilize", None),
    ],
)
def test_plain_words_leave_hashtags_and_addresses_alone(text: str, expected: str | None) -> None:
    assert proposals(plain_words, text) == ([expected] if expected else [])


def test_rows_of_capitals_become_words() -> None:
    assert proposals(quiet_capitals, "BIG SALE today, see the NASA bar") == [
        "Big sale today, see the NASA bar"
    ]


TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            (
                "We utilize the bar!!!! ", "Do you know us? ", "20% off until 9:30. ", "#sale ",
                "https://example.org/a?b=1 ", "@friends ", f"{LONG}. ", "\n\n", "NOW ON SALE  ",
                "☕ ", "Thank you! ", "It is cheap. ", "東京。", "#one #two #three #four #five",
            )  # fmt: skip
        ),
        max_size=8,
    ).map("".join),
)  # fmt: skip
PLATFORMS = st.sampled_from(("instagram", "x", "linkedin", "threads"))


@given(TEXTS, PLATFORMS)
@settings(max_examples=40, deadline=None)
def test_no_item_to_keep_is_lost_no_goal_falls_and_the_result_is_its_own_result(
    text: str, platform: str
) -> None:
    wanted = task(text, platform=platform, keywords=("cold brew",))
    found = find_candidates(wanted, lexicon_sentiment)
    before = found.judge.judge(text)

    for candidate in found.texts:
        assert KeptItems(text, KEEPABLE, ()).are_in(candidate.text)
        after = found.judge.judge(candidate.text)
        for goal in GOALS:
            one, other = before[goal].value, after[goal].value
            assert one is None or (other is not None and other >= one)
        assert optimized(candidate.text, platform=platform, keywords=("cold brew",)) == (
            candidate.text
        )


@given(TEXTS, PLATFORMS)
@settings(max_examples=40, deadline=None)
def test_edits_tell_the_differences_that_they_make(text: str, platform: str) -> None:
    wanted = task(text, platform=platform, keywords=("cold brew",))
    for candidate in find_candidates(wanted, lexicon_sentiment).texts:
        undone, last = candidate.text, len(text)
        found = differences_of_edits(text, [applied.edit for applied in candidate.edits])
        for part in reversed(found):
            assert part.end <= last
            last = part.start
            undone = undone[: part.new_start] + text[part.start : part.end] + undone[part.new_end :]
        assert undone == text


@given(TEXTS, TEXTS)
@settings(max_examples=60, deadline=None)
def test_differences_lead_from_one_text_to_the_other(before: str, after: str) -> None:
    text = before
    for part in reversed(find_differences(before, after)):
        text = text[: part.start] + after[part.new_start : part.new_end] + text[part.end :]

    assert text == after


def test_kept_items_are_counted_and_invented_ones_are_named() -> None:
    kept = KeptItems("3 cups at https://a.b, 3 at @bar. Old house", KEEPABLE, ("Old house", "new"))

    assert kept.are_in("@bar has 3 and 3 cups, https://a.b! Old house")
    assert not kept.are_in("@bar has 3 cups, https://a.b! Old house")
    assert kept.invented("@bar has 4 cups at https://c.d") == ["https://c.d", "4"]
    assert kept.missing_phrases() == ["new"]
    assert KeptItems("7 cups", (), ()).are_in("no cups")


def test_the_choice_leaves_out_harm_and_what_another_beats() -> None:
    def scored(text: str, **values: float) -> ScoredText:
        return ScoredText(EditedText(text, ()), values)

    before = {"structure": 0.5, "sentiment": 0.5}
    candidates = [
        scored("harmful", structure=0.9, sentiment=0.47),
        scored("tolerable", structure=0.9, sentiment=0.49),
        scored("beaten", structure=0.8, sentiment=0.48),
        scored("other", structure=0.6, sentiment=0.7),
        scored("no gain", structure=0.5, sentiment=0.5),
    ]

    chosen = [each.candidate.text for each in choose(before, candidates, 5)]
    assert chosen == ["tolerable", "other"]
    assert len(choose(before, candidates, 1)) == 1


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "nothing"),
        ("Come to the bar on Saturday, we are there for you.", "missing"),
        ("Come to the bar at 9, 50 people are there for you.", "50"),
        ("9 " * 200, "length"),
        ("Wir öffnen am Samstag um 9 und freuen uns auf euch in der Bar.", "language"),
    ],
)
def test_a_rewrite_that_loses_or_invents_something_is_refused(written: str, reason: str) -> None:
    draft = "We open the bar on Saturday at 9, come by and have a drink."
    wanted = task(draft, keywords=("bar",))
    kept = KeptItems(draft, KEEPABLE, ())

    cleaned = clean_rewrite(wanted, kept, ModelRewrite("structure", written))

    assert cleaned.text == ""
    assert reason in cleaned.reason


def test_a_task_survives_as_options_and_a_prompt_names_goal_and_phrases() -> None:
    wanted = task("We open", phrases=("old town",), rewrites=(ModelRewrite("structure", "x"),))

    assert task_of("We open", "en", wanted.options()) == wanted
    prompt = rewrite_messages(wanted, "readability")[-1]["content"]
    assert "easier to read" in prompt
    assert '"old town"' in prompt
