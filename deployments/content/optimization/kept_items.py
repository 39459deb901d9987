"""What of a draft has to stay as it is: addresses, handles, numbers, hashtags, phrases.

In: a draft, and which kinds are kept. Out: whether another text still has them all, and whether it
has made up any.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import regex

from deployments.content.cleanup import extract_hashtags
from deployments.text.segments import find_urls

_URL = regex.compile(r"(?:https?://|www\.)[^\s<>\"“”]++", regex.I)
_MENTION = regex.compile(r"(?<![\w@/.&])@[\w][\w.]*\w|(?<![\w@/.&])@\w")
_NUMBER = regex.compile(r"[$€£¥]?(?<![\p{L}\p{N}])\p{Nd}+(?:[.,:/]\p{Nd}+)*(?:\s?%)?")


class KeptItems:
    """The items of a draft that other texts are compared with."""

    def __init__(self, draft: str, kinds: Iterable[str], phrases: Iterable[str]) -> None:
        self._kinds = tuple(kinds)
        self._phrases = tuple(phrases) if "phrases" in self._kinds else ()
        self._items = _items(draft)
        self._present = [phrase for phrase in self._phrases if phrase in draft]

    def are_in(self, text: str) -> bool:
        """Whether `text` has every item as often as the draft has it, and every phrase that the
        draft has."""
        found = _items(text)
        return all(phrase in text for phrase in self._present) and all(
            self._items[kind] <= found[kind] for kind in self._kinds if kind != "phrases"
        )

    def invented(self, text: str) -> list[str]:
        """Addresses, handles and numbers of `text` that the draft does not have."""
        found = _items(text)
        return [
            item
            for kind in ("urls", "mentions", "numbers")
            for item in found[kind] - self._items[kind]
            if item not in self._items[kind]
        ]

    def missing_phrases(self) -> list[str]:
        """Phrases to keep that the draft does not have to begin with."""
        return [phrase for phrase in self._phrases if phrase not in self._present]


def _items(text: str) -> dict[str, Counter[str]]:
    return {kind: Counter(items) for kind, items in _kinds_of(text)}


def _kinds_of(text: str) -> Iterator[tuple[str, Iterable[str]]]:
    yield "urls", (text[start:end] for start, end in find_urls(text))
    plain = _URL.sub(" ", text) if "://" in text or "www." in text.lower() else text
    yield "mentions", _MENTION.findall(plain) if "@" in plain else ()
    yield "numbers", (item.replace(" ", "") for item in _NUMBER.findall(plain))
    yield "hashtags", map(str.casefold, extract_hashtags(plain)) if "#" in plain else ()
