"""Plain text: removes markup, control and direction characters, and splits words.

All patterns are bounded, so the time is proportional to the length of the text.
"""

import html
import unicodedata
from collections.abc import Iterable

import regex

LONGEST_WORD = 300
_TAGS = regex.compile(r"</?[A-Za-z][^<>]{0,300}>|<[\d:.]{1,20}>|\{\\[^{}]{0,300}\}")
_BREAKS = regex.compile(r"\\[Nnh]|<br\s{0,9}/?>", regex.IGNORECASE)
_INVISIBLE = regex.compile(
    r"[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}--\t\n\r]"
    r"|[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb\ufffd]",
    regex.VERSION1,
)
_LONG_NUMBER = regex.compile(
    r"&#[xX]?[0-9a-fA-F]{9,}+;?"
)  # Python converts no number of any length
_STACK = regex.compile(r"(\p{M}{12})\p{M}++")  # composing takes the square of a run's length
_SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
# A letter of Thai or Lao with the vowels that are written before and after it.
_SYLLABLE = (
    r"[\u0e40-\u0e44\u0ec0-\u0ec4]?\X[\u0e2f\u0e30\u0e32\u0e33\u0e45\u0e46\u0eb0\u0eb2\u0eb3]*"
)
_RUN = regex.compile(rf"(?:(?={_SPACELESS}){_SYLLABLE}){{1,4}}\p{{P}}*|(?:(?!{_SPACELESS})\X)+")
_ENDS = regex.compile(r"[.!?\u2026\u3002\uff01\uff1f\u061f\u0964\u0965][\p{Pe}\p{Pf}\p{Pi}\"']*$")
_ABBREVIATION = regex.compile(
    r"^\P{L}*(?:\p{L}|(?:\p{L}\.)+\p{L}|mr|mrs|ms|dr|prof|st|vs|etc|no|fig|approx|bzw|ca|z\.\s?b)\.$",
    regex.IGNORECASE,
)


def strip_markup(text: str) -> str:
    """One line without markup, in composed form."""
    unescaped = html.unescape(_LONG_NUMBER.sub("", _TAGS.sub("", _BREAKS.sub(" ", text))))
    visible = _STACK.sub(r"\1", _INVISIBLE.sub("", unescaped))
    return " ".join(unicodedata.normalize("NFC", visible).split())


def words_of(text: str) -> list[str]:
    """The words of plain text, cut to LONGEST_WORD characters; scripts without spaces in runs of at
    most four characters, with the following punctuation."""
    runs = (run for part in text.split() for run in _join_punctuation(_RUN.findall(part)))
    return [run[:LONGEST_WORD] for run in runs]


def ends_sentence(word: str) -> bool:
    return bool(_ENDS.search(word)) and not _ABBREVIATION.match(word)


def _join_punctuation(runs: Iterable[str]) -> list[str]:
    """Punctuation alone is not a word: it joins the word before, or else the one after."""
    result: list[str] = []
    leading = ""
    for run in runs:
        if any(character.isalnum() for character in run) or not (result or leading):
            result.append(leading + run)
            leading = ""
        elif result:
            result[-1] += run
        else:
            leading += run
    return [*result, leading] if leading else result
