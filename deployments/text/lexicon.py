"""What VADER's lexicon says of a text: rules over rated words (Hutto and Gilbert 2014).

Flows in: an English text. Flows out: its four numbers as a row of features, and the words that
speak for or against. The lexicon and its rules are the package vaderSentiment (MIT).
"""

import numpy as np
from numpy.typing import NDArray

from deployments.text.remembered_vader import polarity_scores, vader
from deployments.text.segments import Place

FEATURES = ("negative", "neutral", "positive", "compound")
STRONGEST = 4.0  # the valence of a word is from -4 to 4


def lexicon_features(text: str) -> NDArray[np.float32]:
    """FEATURES: the shares of the text's words, which sum up to 1, and the compound score from -1
    to 1.
    """
    scores = polarity_scores(text)
    return np.array(
        [scores["neg"], scores["neu"], scores["pos"], scores["compound"]], dtype=np.float32
    )


def rated_words(text: str) -> list[tuple[Place, float]]:
    """Words, emoticons and emoji with a valence, as places in `text`, in order. Negations and
    intensifiers before a word are counted in.
    """
    from vaderSentiment.vaderSentiment import BOOSTER_DICT, SentiText

    analyzer = vader()
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
