"""VADER's scores of a text (Hutto and Gilbert 2014), as the package vaderSentiment computes them,
with what it says of words remembered.

Flows in: an English text. Flows out: its four scores, the same as the package's to the last digit.
The valence of a word depends on the three words before it and the two after it, and on whether some
words but not all are in capitals; the package compares all words of the text for each of them.
"""

import re
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

_WORDS_BEFORE, _WORDS_AFTER = 3, 2
_REMEMBERED = 16_384


class _Token(NamedTuple):
    """`word` is without punctuation around it; `is_rated` if it has a valence of its own."""

    word: str
    lower: str
    is_upper: bool
    is_rated: bool


@cache
def vader() -> "SentimentIntensityAnalyzer":
    """Reads the lexicon once: 15 ms and 3 MiB."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


def polarity_scores(text: str) -> dict[str, float]:
    """`neg`, `neu`, `pos` and `compound`."""
    analyzer, written = vader(), _spell_emoji(text).strip()
    tokens = [_read_token(token) for token in written.split()]
    words = [token.word for token in tokens]
    capitals = sum(token.is_upper for token in tokens)
    is_cap_diff = 0 < capitals < len(tokens)
    valences = [0.0] * len(tokens)
    has_but = False
    for at, token in enumerate(tokens):
        has_but = has_but or token.lower == "but"
        if token.is_rated and not _is_kind_of(tokens, at):
            first = max(0, at - _WORDS_BEFORE)
            window = tuple(words[first : at + 1 + _WORDS_AFTER])
            valences[at] = _rate_word(window, at - first, is_cap_diff)
    if has_but:
        valences = analyzer._but_check(words, valences)
    scores: dict[str, float] = analyzer.score_valence(valences, written)
    return scores


def _is_kind_of(tokens: list[_Token], at: int) -> bool:
    return tokens[at].lower == "kind" and at + 1 < len(tokens) and tokens[at + 1].lower == "of"


@lru_cache(maxsize=_REMEMBERED)
def _read_token(token: str) -> _Token:
    from vaderSentiment.vaderSentiment import BOOSTER_DICT, SentiText

    word = SentiText._strip_punc_if_word(token)
    lower = word.lower()
    is_rated = lower in vader().lexicon and lower not in BOOSTER_DICT
    return _Token(word, lower, word.isupper(), is_rated)


@lru_cache(maxsize=_REMEMBERED)
def _rate_word(words: tuple[str, ...], at: int, is_cap_diff: bool) -> float:
    text = SimpleNamespace(words_and_emoticons=words, is_cap_diff=is_cap_diff)
    return float(vader().sentiment_valence(0.0, text, words[at], at, [])[0])


def _spell_emoji(text: str) -> str:
    """The text with emoji in words, with a space before each where there is none."""
    emojis = vader().emojis
    if text.isascii() or emojis.keys().isdisjoint(text):
        return text

    def spell(match: re.Match[str]) -> str:
        before = text[match.start() - 1 : match.start()]
        gap = "" if not match.start() or before == " " else " "
        return f"{gap}{emojis[match.group()]}"

    return _emoji_pattern().sub(spell, text)


@cache
def _emoji_pattern() -> re.Pattern[str]:
    """One of the lexicon's emoji that are one code point: VADER reads no others."""
    single = (emoji for emoji in vader().emojis if len(emoji) == 1)
    return re.compile(f"[{re.escape(''.join(single))}]")
