"""Keywords: a text in, the words that say what it is about out, for hashtags.

Words that come again, and names (a capital within a sentence) are telling; where there are none,
the two longest words stand in. Words that say nothing in English, French, German, Spanish, Italian,
Portuguese, Dutch and Russian are not counted, nor are scripts that do not part words by spaces.
"""

from collections import Counter
from pathlib import Path

import regex

MOST = 5
COMMON = frozenset(Path(__file__).with_name("common_words.txt").read_text().split())
SHORTEST, LONGEST = 4, 30
_WORD = regex.compile(r"[\p{L}\p{M}]++(?:['\u2019-][\p{L}\p{M}]++)*+")
_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_MARKS = regex.compile(r"[-'\u2019]")


def keywords_of(text: str) -> list[str]:
    """At most MOST words, the most telling first, names as they are written."""
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for found in _WORD.finditer(text):
        word = found[0]
        if not SHORTEST <= len(word) <= LONGEST or _SPACELESS.search(word):
            continue
        key = word.lower().replace("\u2019", "'")
        if key in COMMON:
            continue
        counts[key] += 1
        if _is_name(word, text[max(0, found.start() - 3) : found.start()].rstrip()):
            names.setdefault(key, word)
    telling = [word for word in counts if counts[word] > 1 or word in names]
    telling.sort(key=lambda word: (-counts[word], word not in names))
    if not telling:
        telling = sorted(counts, key=lambda word: -len(word))[:2]
    return [_MARKS.sub("", names.get(word, word)) for word in telling[:MOST]]


def _is_name(word: str, before: str) -> bool:
    """Whether it has a capital where no sentence begins; texts all in capitals have no names."""
    within = bool(before) and (before[-1].isalnum() or before[-1] == ",")
    return within and word[0].isupper() and not word.isupper()
