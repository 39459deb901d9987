"""One tenant's requests by meaning, over vectors that the test gives."""

import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from cluster.runtime.problems import Overloaded
from deployments.cache.semantic.answer_equivalence import equal, similar_by_embedding
from deployments.cache.semantic.index import Vector
from deployments.cache.semantic.literals import exact_match_tokens
from deployments.cache.semantic.semantic_cache import NearestMatch, SemanticCache

FRAME = b"frame"


class Angles:
    """A text ends in degrees: its vector points there. `down` makes it fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False

    async def __call__(self, tenant: str, text: str) -> Vector:
        self.asked.append(text)
        if self.down:
            raise Overloaded("no embedder is up")
        at = math.radians(_degrees(text))
        return np.array([math.cos(at), math.sin(at)], dtype=np.float32)


def _degrees(text: str) -> float:
    return float(len(text) - len(text.rstrip("x")))


def text(degrees: int, words: str = "say ") -> str:
    return words + "x" * degrees


@pytest.fixture
def angles() -> Angles:
    return Angles()


@pytest.fixture
def cache(angles: Angles) -> SemanticCache:
    return SemanticCache(angles, Random(1), bound=0.05)


async def near(cache: SemanticCache, words: str, tenant: str = "acme") -> NearestMatch:
    found = await cache.near(tenant, FRAME, words)
    assert found is not None
    return found


async def convince(cache: SemanticCache, tenant: str = "acme") -> None:
    """So many right answers that it serves."""
    await cache.learn(tenant, FRAME, text(0), b"key")
    for _ in range(500):
        cache.observe(replace(await near(cache, text(1), tenant), serve=False), same=True)


async def test_the_first_request_has_no_neighbour(cache: SemanticCache) -> None:
    assert await cache.near("acme", FRAME, text(0)) is None


async def test_a_neighbour_is_named_long_before_it_is_served(cache: SemanticCache) -> None:
    await cache.learn("acme", FRAME, text(0), b"key")

    found = await near(cache, text(10))

    assert (found.key, found.serve, found.check) == (b"key", False, False)
    assert found.similarity == pytest.approx(math.cos(math.radians(10)), abs=1e-5)


async def test_what_was_right_often_enough_is_served(cache: SemanticCache) -> None:
    await convince(cache)

    assert (await near(cache, text(1))).serve


async def test_what_is_much_less_alike_is_not_served_for_that(cache: SemanticCache) -> None:
    await convince(cache)

    assert not (await near(cache, text(50))).serve


async def test_what_is_not_alike_at_all_is_no_neighbour(cache: SemanticCache) -> None:
    await convince(cache)

    assert await cache.near("acme", FRAME, text(80)) is None


async def test_a_share_of_hits_is_checked(cache: SemanticCache) -> None:
    await convince(cache)
    found = [await near(cache, text(1)) for _ in range(1_000)]

    assert all(one.serve for one in found)
    assert 60 <= sum(one.check for one in found) <= 140


async def test_errors_among_checked_hits_end_the_serving(cache: SemanticCache) -> None:
    await convince(cache)
    for _ in range(5):
        cache.observe(await near(cache, text(1)), same=False)

    assert not (await near(cache, text(1))).serve


async def test_the_report_measures_the_error_of_hits(cache: SemanticCache) -> None:
    await convince(cache)
    hits = cache.report("acme").hits
    for number in range(100):
        cache.observe(await near(cache, text(1)), same=number != 50)

    report = cache.report("acme")

    assert (report.hits - hits, report.checks, report.errors) == (100, 100, 1)
    assert report.error == 0.01
    assert report.error_upper == pytest.approx(0.0466, abs=1e-3)
    assert (report.bound, report.entries, report.compared) == (0.05, 1, 600)


async def test_a_tenant_that_is_not_known_has_an_empty_report(cache: SemanticCache) -> None:
    report = cache.report("nobody")

    assert (report.entries, report.hits, report.error, report.error_upper) == (0, 0, None, 1.0)


async def test_no_tenant_meets_or_learns_from_another(cache: SemanticCache) -> None:
    await convince(cache)

    assert await cache.near("other", FRAME, text(1)) is None
    await cache.learn("other", FRAME, text(0), b"theirs")
    theirs = await near(cache, text(1), "other")
    assert (theirs.key, theirs.serve) == (b"theirs", False)
    assert cache.report("other").cut == 0.0


async def test_another_frame_is_another_world(cache: SemanticCache) -> None:
    await convince(cache)

    assert await cache.near("acme", b"other frame", text(1)) is None


async def test_texts_with_other_numbers_are_no_neighbours(cache: SemanticCache) -> None:
    await cache.learn("acme", FRAME, text(0, "give me 3 tips "), b"three")

    assert await cache.near("acme", FRAME, text(0, "give me 5 tips ")) is None
    assert (await near(cache, text(0, "3 tips, please "))).key == b"three"


async def test_a_key_that_is_gone_is_forgotten_and_was_no_hit(cache: SemanticCache) -> None:
    await convince(cache)
    hits = cache.report("acme").hits

    cache.forget(await near(cache, text(1)))

    assert await cache.near("acme", FRAME, text(1)) is None
    assert cache.report("acme").hits == hits


async def test_clearing_a_tenant_leaves_the_others(cache: SemanticCache) -> None:
    await convince(cache)
    await convince(cache, "other")

    cache.clear("acme")

    assert await cache.near("acme", FRAME, text(1)) is None
    assert (await near(cache, text(1), "other")).serve
    assert cache.report("acme").compared == 0


async def test_without_an_embedder_nothing_is_near_and_nothing_breaks(
    cache: SemanticCache, angles: Angles
) -> None:
    angles.down = True
    await cache.learn("acme", FRAME, text(0), b"key")

    assert await cache.near("acme", FRAME, text(0)) is None
    angles.down = False
    assert await cache.near("acme", FRAME, text(0)) is None
    assert cache.report("acme").entries == 0


async def test_learning_does_not_embed_again(cache: SemanticCache, angles: Angles) -> None:
    await cache.near("acme", FRAME, text(0))
    await cache.learn("acme", FRAME, text(0), b"key")

    assert angles.asked == [text(0)]


async def test_tenants_are_bounded(angles: Angles) -> None:
    cache = SemanticCache(angles, Random(1), tenants=3)
    for number in range(10):
        tenant = f"t{number}"
        await cache.learn(tenant, FRAME, text(0), b"key")
        await near(cache, text(1), tenant)

    assert [cache.report(f"t{n}").compared for n in range(10)] == [0] * 7 + [1] * 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("5 tips", "10 tips", False),
        ("Is it 5 o'clock?", "is it 5 o'clock", True),
        ("follow @acme", "follow @acme_eu", False),
        ("Follow @Acme!", "follow @acme", True),
        ("use #sale", "use #sales", False),
        ("mail ann@acme.example", "mail bob@acme.example", False),
        ("see https://a.example/x", "see https://a.example/y", False),
        ("at 10:30", "at 10:45", False),
        ("20 % off", "20 off", False),
        ("２０ tips", "20 tips", False),
        ("first 3, then 5", "3 first, then 5", True),
        ("from 3 to 5", "from 5 to 3", False),
        ("no numbers", "none at all", True),
    ],
)
def test_what_is_not_wording_must_be_the_same(one: str, other: str, same: bool) -> None:
    assert (exact_match_tokens(one) == exact_match_tokens(other)) is same


@pytest.mark.parametrize("piece", ["a", "a.", "1", "1,", "@", "a@", "# ", "https://", "1 ", "é"])
def test_hostile_texts_are_read_in_linear_time(piece: str) -> None:
    """Quadratic time would be minutes here."""
    assert exact_match_tokens(piece * 200_000)


async def test_a_very_long_text_is_not_even_embedded(cache: SemanticCache, angles: Angles) -> None:
    await cache.learn("acme", FRAME, "x" * 10_000, b"key")

    assert await cache.near("acme", FRAME, "x" * 10_000) is None
    assert angles.asked == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Yes.", "yes", True),
        ("A  rooftop\nbar!", "a rooftop bar", True),
        ("Yes", "No", False),
        ("open", "closed", False),
    ],
)
async def test_answers_are_equal_up_to_case_spacing_and_punctuation(
    one: str, other: str, same: bool
) -> None:
    assert await equal("acme", one, other) is same


async def test_a_judge_by_meaning_takes_what_is_alike_enough(angles: Angles) -> None:
    judge = similar_by_embedding(angles, 0.9)

    assert await judge("acme", text(0), text(20))
    assert not await judge("acme", text(0), text(40))
