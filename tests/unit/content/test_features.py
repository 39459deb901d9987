"""A text as 24 numbers, and the prior over matrices of them: kernel, twin, and scores agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.content.brief import Brief
from deployments.content.cleanup import split_finished
from deployments.content.features import COLUMN, FEATURES, features
from deployments.content.platforms import platform, platforms
from deployments.content.prior_scores import (
    compiled_kernel,
    kernel,
    kernel_arguments,
    prior_aspects,
    prior_scores,
    prior_weights,
    scores_by_numpy,
)
from deployments.content.scoring import score

TEXT = "Do you know our roastery? We open at 9! Come by.\n\nAsk @roastery. ☕ https://a.b/c #Coffee"
NAMES = [site.name for site in platforms()][:8]


def test_each_feature_is_what_its_name_says() -> None:
    row = features(TEXT, "instagram")

    def value(name: str) -> float:
        return float(row[COLUMN[name]])

    assert row.dtype == np.float32
    assert row.shape == (len(FEATURES),) == (24,)
    assert value("characters") == len(TEXT)
    assert (value("hashtags"), value("mentions"), value("links"), value("emoji")) == (1, 1, 1, 1)
    assert (value("questions"), value("exclamations"), value("paragraphs")) == (1, 1, 2)
    assert (value("hook_words"), value("hook_elements")) == (5, 2)
    assert (value("call_to_action"), value("numbers")) == (1, 1)
    assert value("length_fit") == 1
    assert value("hashtag_fit") == pytest.approx(0.2)


@given(st.text(max_size=300), st.sampled_from(NAMES))
@settings(max_examples=60)
def test_any_text_has_finite_features_and_a_score_within_bounds(text: str, name: str) -> None:
    row = features(text, name)

    assert np.isfinite(row).all()
    [total] = prior_scores(row[None, :], name)
    assert 0 <= total <= 1


ROWS = st.lists(
    st.lists(st.integers(0, 900), min_size=24, max_size=24), min_size=1, max_size=5
)  # fmt: skip


@given(ROWS, st.sampled_from(NAMES))
@settings(max_examples=60, deadline=None)
def test_kernel_twin_and_plain_python_give_the_same(rows: list[list[int]], name: str) -> None:
    matrix, (habits, columns) = np.array(rows, dtype=np.float32), kernel_arguments(name)
    matrix[:, COLUMN["reading_ease"]] -= 300

    by_numpy = scores_by_numpy(matrix, habits)

    np.testing.assert_allclose(compiled_kernel()(matrix, habits, columns), by_numpy, atol=1e-6)
    np.testing.assert_allclose(kernel(matrix, habits, columns), by_numpy, atol=1e-6)
    weights = prior_weights(name)
    one_by_one = [
        sum(weights[aspect] * value for aspect, value in prior_aspects(row, name).items())
        for row in matrix
    ]
    np.testing.assert_allclose(one_by_one, by_numpy, atol=1e-9)


@given(st.text(max_size=200), st.sampled_from(NAMES))
@settings(max_examples=60)
def test_the_prior_judges_as_scores_of_a_brief_with_the_platforms_habits(
    text: str, name: str
) -> None:
    site, finished = platform(name), split_finished(text)
    row = features(text, name)
    wants_emoji = site.usual_emoji or bool(row[COLUMN["emoji"]])
    brief = Brief(
        "",
        name,
        kind="post",
        hashtags=site.usual_hashtags,
        emoji=wants_emoji,
        call_to_action=True,
    )
    _, parts = score(brief, finished)
    expected = {part.name: part.value for part in parts}
    aspects = prior_aspects(row, name)

    assert sum(prior_weights(name).values()) == pytest.approx(1)
    for aspect in aspects.keys() - {"length"}:
        assert aspects[aspect] == pytest.approx(expected[aspect], abs=1e-3), aspect
