"""Scores of finished texts are part of answers and of caches: they do not change by themselves."""

import hashlib
import random

import pytest

from deployments.content.brief import Brief
from deployments.content.cleanup import clean
from deployments.content.platforms import platforms
from deployments.content.scoring import score

PIECES = (
    "Meet a rooftop coffee bar! ", "We open at 7.30, come and see it. ", "What do you think? ",
    "The unavoidable consideration of organisational responsibilities necessitates deliberation ",
    "and so on and so forth, ", "☕", "👩‍👩‍👧 ", "🇨🇭 ", "#Coffee ", "#2026goals ", "\n\n", "\n",
    "https://example.org ", "@friends ", "Ünïcödé wörds ", "東京のカフェ。", "Don't ", "book now… ",
    "(!!) ", "Order ", "20% off ", "- a list\n",
)  # fmt: skip


def test_scores_of_three_hundred_texts_are_those_of_the_first_release() -> None:
    chance = random.Random(7)
    lines = []
    for _ in range(300):
        site = chance.choice(platforms())
        brief = Brief(
            chance.choice(("a rooftop coffee bar", "20% off", "Tokyo trips", "")),
            site.name,
            length=chance.choice(("short", "medium", "long")),
            kind=chance.choice(("caption", "post")),
            draft="Come and see our coffee bar",
            keywords=chance.choice(((), ("coffee", "Cold Brew"))),
            hashtags=chance.randrange(site.max_hashtags + 1),
            emoji=chance.random() < 0.5,
            call_to_action=chance.random() < 0.5,
        )
        raw = "".join(chance.choices(PIECES, k=chance.randrange(30)))
        lines.append(repr(score(brief, clean(brief, raw))))

    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest == "505bfdea6fa57e2fc5fd8c334cf64c2285fe08ea02f3eccc3184bfc93fb04cdc"


@pytest.mark.parametrize("text", ["", "\n", "☕", "#one", "…", "\x00"])
def test_a_text_without_words_has_scores_within_bounds(text: str) -> None:
    brief = Brief("tea")
    total, parts = score(brief, clean(brief, text))

    assert 0 <= total <= 1
    assert all(0 <= part.value <= 1 for part in parts)
