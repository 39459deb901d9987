"""The parts of `bench content text` that need no model: their data and their figures."""

from random import Random

from deployments.text.pii import find_pii
from load_tests.benchmarks.content.keyword_quality import recall
from load_tests.benchmarks.content.language_quality import measure_languages, posts_by_language
from load_tests.benchmarks.content.number_texts import number_texts
from load_tests.benchmarks.content.pii_quality import measure_pii
from load_tests.benchmarks.content.planted_phrases import CLASSES, planted_posts
from load_tests.benchmarks.content.sentiment_quality import measure_sentiment


def test_planted_posts_have_their_phrases_and_take_the_subjects_in_turn() -> None:
    posts = planted_posts(16, seed=1)

    assert [post.subject for post in posts] == [*CLASSES, *CLASSES]
    assert all(phrase in post.text for post in posts for phrase in post.phrases)
    assert planted_posts(16, seed=1) == posts
    assert planted_posts(16, seed=2) != posts


def test_recall_counts_phrases_that_are_the_same_words() -> None:
    posts = planted_posts(1, seed=1)
    [post] = posts

    assert recall(posts, [[phrase.upper() for phrase in post.phrases]]) == 1
    assert recall(posts, [[f"the {phrase}" for phrase in post.phrases]]) == 0


def test_there_are_thirty_posts_in_each_of_24_languages() -> None:
    posts = posts_by_language()

    assert len(posts) == len(set(posts)) == 720
    assert len({language for language, _ in posts}) == 24


def test_languages_are_found() -> None:
    assert {each.name for each in measure_languages() if not each.met} <= {"p99"}


def test_planted_personal_data_is_found_and_numbers_are_not() -> None:
    assert all(each.met for each in measure_pii(300, seed=4))
    assert [text for text in number_texts(90, Random(4)) if find_pii(text)] == []


def test_sentiment_is_measured_beside_vader() -> None:
    measured = measure_sentiment()

    assert len(measured) == 20
    assert all(each.met for each in measured)
