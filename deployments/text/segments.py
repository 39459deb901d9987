"""Words, sentences and paragraphs of a text.

Flows in: a text. Flows out: spans in code points. Words are those of scripts that part them by
spaces; of others a run of letters is one match, which `unsegmented` tells apart.
"""

from collections.abc import Iterator

import regex

Place = tuple[int, int]

_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*+(?:['’\-][\p{L}\p{N}][\p{L}\p{M}\p{N}]*+)*+")
_URL = regex.compile(r"(?:https?://|www\.)[^\s<>\"“”]++", regex.I)
_LINK = r"(?i:https?://|www\.)[^\s<>\"“”]++|(?<![\w&])[@#＃][\w\p{M}]++"
_NO_WORD = regex.compile(_LINK)
# An address makes every word a candidate: it is looked for where there is an at sign only.
_NO_WORD_BY_AT_SIGN = regex.compile(_LINK + r"|[\w.+\-]{1,64}+@[\w.\-]{3,190}")
_UNSEGMENTED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
)
# A full stop after these, or after one capital letter, ends no sentence.
_ABBREVIATION = regex.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|e\.g|i\.e|no|inc|ltd|co|approx|ca|bzw|z\.b|usw|nr|"
    r"str|evtl|sra|mme|mlle|pp|vol|fig)|(?<![\p{L}.])\p{Lu}|\d)\.\Z",
    regex.I,
)
# A run of punctuation is looked at once, from its beginning.
_END = regex.compile(
    r"(?<![.!?…。！？])[.!?…。！？]++[\"'”’»)\]]*+(?=\s|\Z)|(?<![。！？])[。！？]++|\n++"
)
_LOOK_BACK = 10


def find_words(text: str) -> list[Place]:
    """Words, without those of addresses, handles and hashtags."""
    return [match.span() for match in _WORD.finditer(mask_links(text))]


def mask_links(text: str) -> str:
    """The text with spaces for addresses, handles and hashtags; places stay."""
    if not may_have_links(text):
        return text
    pattern = _NO_WORD_BY_AT_SIGN if "@" in text else _NO_WORD
    return str(pattern.sub(lambda match: " " * len(match.group()), text))


def may_have_links(text: str) -> bool:
    """False for a text without addresses, handles and hashtags; most are told at once."""
    marks = ("@", "#", "＃", "://")
    return any(mark in text for mark in marks) or "www." in text.lower()


def find_urls(text: str) -> list[Place]:
    """Web addresses, without the punctuation of the sentence around them."""
    places = []
    for match in _URL.finditer(text):
        end = match.end()
        while text[end - 1] in ".,;:!?'’)]}…":
            end -= 1
        places.append((match.start(), end))
    return places


def find_sentences(text: str) -> list[Place]:
    """Sentences that have a word, without the space around them. A line break ends one."""
    return [place for place in _parts(text) if _WORD.search(text, *place)]


def count_unsegmented(text: str) -> int:
    """Characters of scripts that do not part words by spaces."""
    return 0 if text.isascii() else len(_UNSEGMENTED.findall(text))


def _parts(text: str) -> Iterator[Place]:
    start = 0
    for match in _END.finditer(text):
        end = match.end()
        if match.group() == "." and end < len(text):
            before = text[max(start, end - _LOOK_BACK) : end]
            digits_only = text[start : end - 1].strip().isdigit()
            if _ends_abbreviation(before) and not (before[-2].isdigit() and not digits_only):
                continue
        yield _strip(text, start, end)
        start = end
    yield _strip(text, start, len(text))


def _ends_abbreviation(before: str) -> bool:
    return _ABBREVIATION.search(before) is not None


def _strip(text: str, start: int, end: int) -> Place:
    part = text[start:end]
    left = len(part) - len(part.lstrip())
    return start + left, max(start + left, start + len(part.rstrip()))
