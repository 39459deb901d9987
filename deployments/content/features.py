"""A text as 24 numbers: what engagement is estimated from, and what a what-if changes.

In: a text and a platform. Out: one row, named by FEATURES. Counts are as they are, so that a row
can be changed by hand; whoever learns from them scales them first.
"""

import numpy as np
import regex
from numpy.typing import NDArray

from deployments.content.cleanup import CleanedText, split_finished
from deployments.content.platforms import platform
from deployments.content.text_counts import READER, SENTENCE, TextCounts, count_sentence, count_text
from deployments.text.segments import find_urls

Features = NDArray[np.float32]

FEATURES = (
    "characters",  # code points of the whole text
    "body_characters",  # without the closing hashtags
    "words",  # of the body, as all that follow up to hashtags
    "sentences",
    "words_per_sentence",
    "longest_sentence",  # words
    "syllables_per_word",
    "reading_ease",  # Flesch, not clipped
    "hook_words",  # of the first sentence
    "hook_elements",  # 0 to 3: a question, a number, the reader
    "questions",
    "exclamations",
    "call_to_action",  # 0 or 1
    "reader_words",  # you, your, we, our: how many
    "numbers",
    "paragraphs",
    "is_one_block",  # 0 or 1: more than 300 characters without a line break
    "capital_share",  # of words in capitals, two letters at least
    "hashtags",
    "mentions",
    "links",
    "emoji",
    "length_fit",  # 0 to 1: characters beside the platform's customary length
    "hashtag_fit",  # 0 to 1: hashtags beside the platform's customary number
)
COLUMN = {name: index for index, name in enumerate(FEATURES)}
ONE_BLOCK = 300  # characters from which a text wants paragraphs

_NUMBER = regex.compile(r"(?<![\p{L}\p{N}])\p{N}+(?:[.,:]\p{N}+)*")
_MENTION = regex.compile(r"(?<![\w@/.&])@\w")
_PARAGRAPH = regex.compile(r"\n\s*")
_CAPITALS = regex.compile(r"(?<![\p{L}\p{N}#@])\p{Lu}{2,}(?![\p{Ll}])")


def features(text: str, platform_name: str) -> Features:
    """The row of a text: float32, of the length of FEATURES. Raises KeyError for a platform that is
    not registered. Takes about 0.2 ms for 250 characters."""
    finished = split_finished(text)
    return features_of(finished, count_text(finished), platform_name)


def features_of(finished: CleanedText, counts: TextCounts, platform_name: str) -> Features:
    """As `features`, of what is known of the text already."""
    site = platform(platform_name)
    body, size, tags = finished.body, len(finished.text), len(finished.hashtags)
    row = (
        size,
        len(body),
        counts.words,
        counts.sentences if counts.words else 0,
        counts.words / counts.sentences,
        max((count_sentence(part)[0] for part in SENTENCE.findall(body)), default=0),
        counts.syllables / max(1, counts.words),
        counts.reading_ease,
        counts.hook_words,
        len(counts.hook_elements),
        body.count("?") + body.count("？"),
        body.count("!") + body.count("！"),
        counts.call is not None,
        len(READER.findall(body)),
        len(_NUMBER.findall(body)),
        sum(bool(part) for part in _PARAGRAPH.split(body)),
        "\n" not in body and len(body) > ONE_BLOCK,
        len(_CAPITALS.findall(body)) / max(1, counts.words),
        tags,
        len(_MENTION.findall(finished.text)),
        len(find_urls(finished.text)),
        counts.emoji,
        length_fit(size, site.ideal_chars),
        hashtag_fit(tags, site.usual_hashtags),
    )
    return np.array(row, dtype=np.float32)


def length_fit(size: int, ideal: tuple[int, int]) -> float:
    """1 within the customary length, less the further from it."""
    low, high = ideal
    return size / low if size < low else min(1.0, high / size)


def hashtag_fit(count: int, usual: int) -> float:
    """1 for the customary number of hashtags, less the further from it."""
    return 1 - abs(count - usual) / max(1, usual, count)
