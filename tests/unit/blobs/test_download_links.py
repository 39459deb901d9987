"""A link opens for its time, to what it was made for, and to nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.blobs.links import MAX_TOKEN, PREFIX, STEPS, DownloadLinks
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import NotFound

PEPPER = b"p" * 32
LIFE_S = 800.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def links(clock: ManualClock) -> DownloadLinks:
    return DownloadLinks(PEPPER, clock)


def signed(links: DownloadLinks) -> str:
    return links.sign("acme", "clips/1/clip.mp4", LIFE_S, "Mein Clip.mp4")


def refusal(links: DownloadLinks, token: str) -> str:
    with pytest.raises(NotFound) as refused:
        links.verify(token)
    assert refused.value.extensions == {}
    return refused.value.detail


def test_a_link_leads_back_to_what_it_was_made_for(links: DownloadLinks) -> None:
    assert links.verify(signed(links)) == ("acme", "clips/1/clip.mp4", "Mein Clip.mp4")


def test_another_process_with_the_pepper_opens_it(links: DownloadLinks, clock: ManualClock) -> None:
    assert DownloadLinks(PEPPER, clock).verify(signed(links))[0] == "acme"


def test_it_opens_for_its_life_and_at_most_an_eighth_longer(
    links: DownloadLinks, clock: ManualClock
) -> None:
    token = signed(links)
    clock.advance(LIFE_S)
    assert links.verify(token)[0] == "acme"
    clock.advance(LIFE_S / STEPS)
    refusal(links, token)


def test_it_stays_the_same_for_a_while_so_that_answers_keep_their_etags(
    links: DownloadLinks, clock: ManualClock
) -> None:
    seen = set()
    for _ in range(200):
        seen.add(signed(links))
        clock.advance(1)
    assert 2 <= len(seen) <= 4


def test_all_refusals_read_the_same(links: DownloadLinks, clock: ManualClock) -> None:
    token = signed(links)
    other = DownloadLinks(b"q" * 32, clock).sign("acme", "a", LIFE_S, "a")
    wrong = ["", PREFIX, "x", token[:-3], token + "AAAA", token.removeprefix(PREFIX), other]
    wrong += [PREFIX + "ä", PREFIX + "A" * 40, PREFIX + "A" * MAX_TOKEN, f"{PREFIX}!{token[6:]}"]
    refusals = {refusal(links, each) for each in wrong}
    clock.advance(10_000)
    assert refusals | {refusal(links, token)} == refusals
    assert len(refusals) == 1


def test_a_token_has_one_spelling(links: DownloadLinks) -> None:
    for name in ("a", "ab", "abc", "abcd"):
        token = links.sign("acme", "clips/1/clip.mp4", LIFE_S, name)
        links.verify(token)
        for other in (token + "=", token + "==", token + "\n", token + "A"):
            refusal(links, other)
        last = {token[:-1] + each for each in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef0123456789-_"}
        for other in last - {token}:
            refusal(links, other)


def test_no_character_of_a_token_can_be_changed(links: DownloadLinks) -> None:
    token = signed(links)
    for at in range(len(PREFIX), len(token)):
        refusal(links, token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :])


def test_a_token_tells_nothing_of_what_it_opens(links: DownloadLinks) -> None:
    one = links.sign("acme", "clips/1", LIFE_S, "a.mp4")
    two = links.sign("acme", "clips/2", LIFE_S, "a.mp4")

    same = sum(a == b for a, b in zip(one, two, strict=True)) - len(PREFIX)
    assert same < len(one) / 4


@given(st.text(max_size=400), st.floats(1, 1e7))
def test_any_name_and_life_give_a_token_that_opens(name: str, life_s: float) -> None:
    links = DownloadLinks(PEPPER, ManualClock())

    token = links.sign("a" * 63, "p" * 300, life_s, name)

    assert len(token) <= MAX_TOKEN
    assert links.verify(token)[:2] == ("a" * 63, "p" * 300)


@pytest.mark.parametrize("life_s", [0, -1, float("inf"), float("nan")])
def test_a_link_lives_for_some_time_and_not_for_ever(links: DownloadLinks, life_s: float) -> None:
    with pytest.raises(ValueError, match="a link lives"):
        links.sign("acme", "a", life_s, "a")
