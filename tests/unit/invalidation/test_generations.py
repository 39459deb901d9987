"""Generations: an answer is good if and only if nothing that touches it is newer."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.invalidation.generations import Generations
from cluster.invalidation.target import EVERYBODY, Invalidation, Kind

TAGS = ["a", "ab", "abc", "b", "ba"]
ANSWER = ("acme", "nano", ("post:17", "en"))


def row(kind: Kind, name: str = "", tenant: str = "acme", seq: int = 5) -> Invalidation:
    return Invalidation(EVERYBODY if kind == "all" else tenant, kind, name, seq, at=0.0)


def known(*rows: Invalidation) -> Generations:
    generations = Generations()
    generations.apply(rows)
    return generations


@pytest.mark.parametrize(
    "touching",
    [
        row("all"),
        row("tenant"),
        row("model", "nano"),
        row("model", "nano", EVERYBODY),
        row("tag", "post:17"),
        row("tag", "en"),
        row("prefix", "post:"),
        row("prefix", "post:17"),
        row("prefix", "e"),
    ],
)
def test_what_touches_an_answer_makes_older_ones_worthless(touching: Invalidation) -> None:
    generations = known(touching)

    assert not generations.is_valid(*ANSWER, as_of=4)
    assert generations.is_valid(*ANSWER, as_of=5)
    assert generations.is_valid(*ANSWER, as_of=6)


@pytest.mark.parametrize(
    "beside",
    [
        row("tenant", tenant="other"),
        row("model", "words"),
        row("model", "words", EVERYBODY),
        row("model", "nano", "other"),
        row("tag", "post:1"),
        row("tag", "post:17", "other"),
        row("tag", "nano"),
        row("prefix", "post:177"),
        row("prefix", "ost"),
        row("prefix", "post:", "other"),
    ],
)
def test_what_does_not_touch_an_answer_leaves_it(beside: Invalidation) -> None:
    assert known(beside).is_valid(*ANSWER, as_of=0)


def test_what_begins_now_is_as_of_the_latest() -> None:
    assert Generations().latest == 0
    assert known(row("tag", "x", seq=7), row("tenant", seq=3)).latest == 7


def test_what_stands_for_others_replaces_them_in_memory() -> None:
    rows = [row("tag", f"t{n}", seq=n + 1) for n in range(100)]
    rows += [row("prefix", "p" * n, seq=n) for n in range(1, 50)]
    generations = known(*rows, row("tag", "late", seq=900), row("tag", "t", "other", seq=1))
    assert len(generations) == 151

    generations.apply([row("tenant", seq=500)])
    assert len(generations) == 3  # the tenant, the later tag, the other tenant's
    generations.apply([row("all", seq=1000)])
    assert len(generations) == 1


def test_nothing_older_than_the_last_of_all_is_good() -> None:
    generations = known(row("all", seq=40))

    assert generations.oldest_generation == 40
    assert not generations.is_valid("new", "none", (), as_of=39)
    assert generations.is_valid("new", "none", (), as_of=40)


def test_replacing_forgets_what_is_not_named() -> None:
    generations = known(row("tag", "post:17", seq=9))
    generations.replace([row("tag", "de", seq=9)])

    assert generations.is_valid(*ANSWER, as_of=0)
    assert generations.latest == 9


# Against a list of everything that was ever invalidated, looked through from start to end.


@dataclass(frozen=True)
class Answer:
    tenant: str
    model: str
    tags: Sequence[str]
    as_of: int


TENANTS, MODELS = st.sampled_from(["acme", "other"]), st.sampled_from(["nano", "words"])
WHATS = st.one_of(
    st.just(("all", "", EVERYBODY)),
    st.tuples(st.just("tenant"), st.just(""), TENANTS),
    st.tuples(st.just("model"), MODELS, TENANTS | st.just(EVERYBODY)),
    st.tuples(st.sampled_from(["tag", "prefix"]), st.sampled_from(TAGS), TENANTS),
)
ANSWERS = st.builds(
    Answer, TENANTS, MODELS, st.lists(st.sampled_from(TAGS), max_size=3), st.integers(0, 13)
)


def touches(each: Invalidation, answer: Answer) -> bool:
    if each.tenant not in (EVERYBODY, answer.tenant):
        return False
    match each.kind:
        case "model":
            return each.name == answer.model
        case "tag":
            return each.name in answer.tags
        case "prefix":
            return any(tag.startswith(each.name) for tag in answer.tags)
    return True


@given(st.lists(WHATS, max_size=12), st.lists(ANSWERS, max_size=8), st.randoms())
def test_it_says_what_the_whole_list_says(
    whats: list[tuple[Kind, str, str]], answers: list[Answer], random: Random
) -> None:
    rows = [Invalidation(who, kind, name, n, 0) for n, (kind, name, who) in enumerate(whats, 1)]
    shuffled = rows + random.choices(rows, k=3) if rows else []
    random.shuffle(shuffled)
    generations = known(*shuffled)

    assert generations.latest == len(rows)
    for answer in answers:
        worthless = any(each.seq > answer.as_of and touches(each, answer) for each in rows)
        good = generations.is_valid(answer.tenant, answer.model, answer.tags, answer.as_of)
        assert good is not worthless
