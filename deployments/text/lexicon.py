"""What VADER's lexicon says of a text: rules over rated words (Hutto and Gilbert 2014).

Flows in: an English text. Flows out: its four numbers as a row of features, and the words that
speak for or against. The lexicon and its rules are the package vaderSentiment (MIT).
"""

from functools import cache, lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deployments.text.segments import Place

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

FEATURES = ("negative", "neutral", "positive", "compound")
STRONGEST = 4.0  # the valence of a word is from -4 to 4
_WORDS_BEFORE, _WORDS_AFTER = 3, 2  # that VADER looks at for the valence of a word


def lexicon_features(text: str) -> NDArray[np.float32]:
    """FEATURES: the shares of the text's words, which sum up to 1, and the compound score from -1
    to 1. Takes 0.15 ms for 100 characters.
    """
    scores = _analyzer().polarity_scores(text)
    return np.array(
        [scores["neg"], scores["neu"], scores["pos"], scores["compound"]], dtype=np.float32
    )


def rated_words(text: str) -> list[tuple[Place, float]]:
    """Words, emoticons and emoji with a valence, as places in `text`, in order. Negations and
    intensifiers before a word are counted in.
    """
    from vaderSentiment.vaderSentiment import BOOSTER_DICT, SentiText

    analyzer = _analyzer()
    written, places = _spelled_out(text, analyzer.emojis)
    parsed = SentiText(written)
    found: dict[Place, float] = {}
    for at, (item, place) in enumerate(zip(parsed.words_and_emoticons, places, strict=True)):
        if item.lower() in BOOSTER_DICT:
            continue
        valence = analyzer.sentiment_valence(0, parsed, item, at, [])[0]
        if valence:
            start, end = place
            offset = text.find(item, start, end)
            whole = (start, end) if offset < 0 else (offset, offset + len(item))
            found[whole] = found.get(whole, 0.0) + float(valence)
    return sorted(found.items())


def _spelled_out(text: str, emojis: dict[str, str]) -> tuple[str, list[Place]]:
    """The text with emoji in words, as VADER reads it, and where each of its words comes from."""
    words: list[str] = []
    places: list[Place] = []
    is_open = False  # whether further characters go on with the last word
    for at, character in enumerate(text):
        description = emojis.get(character)
        if description is not None:
            parts = description.split()
            words += parts
            places += [(at, at + 1)] * len(parts)
            is_open = bool(parts)
        elif character.isspace():
            is_open = False
        elif is_open:
            words[-1] += character
            places[-1] = (places[-1][0], at + 1)
        else:
            words.append(character)
            places.append((at, at + 1))
            is_open = True
    return " ".join(words), places


@cache
def _analyzer() -> "SentimentIntensityAnalyzer":
    """Reads the lexicon once: 15 ms and 3 MiB. What it says of a word depends on the three words
    before and the two after it; that is remembered, as VADER compares all words of the text for
    each that has a valence."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    class WindowedAnalyzer(SentimentIntensityAnalyzer):  # type: ignore[misc]
        def sentiment_valence(
            self, valence: float, sentitext: Any, item: str, i: int, sentiments: list[float]
        ) -> list[float]:
            if item.lower() in self.lexicon:
                first = max(0, i - _WORDS_BEFORE)
                window = tuple(sentitext.words_and_emoticons[first : i + 1 + _WORDS_AFTER])
                valence = rate_word(window, i - first, sentitext.is_cap_diff)
            sentiments.append(valence)
            return sentiments

    @lru_cache(maxsize=16_384)
    def rate_word(words: tuple[str, ...], at: int, is_cap_diff: bool) -> float:
        text = SimpleNamespace(words_and_emoticons=words, is_cap_diff=is_cap_diff)
        rate = SentimentIntensityAnalyzer.sentiment_valence
        return float(rate(analyzer, 0.0, text, words[at], at, [])[0])

    analyzer = WindowedAnalyzer()
    return analyzer
