"""The operation `readability`: Flesch's reading ease with the constants of eight languages.

Flows in: a text and its language. Flows out: the reading ease, and what it is computed from.
Syllables are estimated by groups of vowels. The sources of the constants: en Flesch 1948, de Amstad
1978, es Fernandez Huerta 1959, fr Kandel and Moles 1958, it Franchina and Vacca 1986, nl Douma
1960, pt Martins and others 1996, ru Oborneva 2005.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import NO_WORDS, OperationResult
from deployments.text.operation import AnalyzedText, Options, PlainOperation
from deployments.text.segments import find_words

LARGE_SAMPLE = 100  # words, which Flesch's formula was made for
_LEVELS = ((80, "very easy"), (65, "easy"), (50, "medium"), (30, "difficult"))


@dataclass(frozen=True, slots=True, eq=False)
class _Formula:
    """`base` minus words a sentence times `sentence` minus syllables a word times `word`."""

    base: float
    sentence: float
    word: float
    vowels: regex.Pattern[str]
    silent: regex.Pattern[str] | None = None  # the end of a word that adds no syllable


_LATIN = regex.compile(r"[aeiouyàáâäãåæèéêëìíîïòóôöõøùúûüÿœ]+", regex.I)
_ENGLISH_SILENT = regex.compile(r"[^aeiouyl]e\Z|[aeiouy]le\Z|[^aeioutd]ed\Z", regex.I)
_FRENCH_SILENT = regex.compile(r"[^aeiouyàâéèêëîïôùûü](?:es?|ent)\Z", regex.I)
_FORMULAS = {
    "en": _Formula(206.835, 1.015, 84.6, _LATIN, _ENGLISH_SILENT),
    "de": _Formula(180.0, 1.0, 58.5, _LATIN),
    "es": _Formula(206.84, 1.02, 60.0, _LATIN),
    "fr": _Formula(207.0, 1.015, 73.6, _LATIN, _FRENCH_SILENT),
    "it": _Formula(217.0, 1.3, 60.0, _LATIN),
    "nl": _Formula(206.84, 0.93, 77.0, _LATIN),
    "pt": _Formula(248.835, 1.015, 84.6, _LATIN),
    "ru": _Formula(206.835, 1.3, 60.1, regex.compile(r"[аеёиоуыэюя]", regex.I)),
}


class Readability(PlainOperation):
    """Value: `ease` (0 to 100, higher is easier), its `level`, words a sentence, syllables a word.
    `confidence` grows with the number of words up to LARGE_SAMPLE."""

    name = "readability"
    by = "flesch@1"
    languages = frozenset(_FORMULAS)

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        words = text.words
        if not words:
            return OperationResult(self.by, reasons=(NO_WORDS,))
        formula = _FORMULAS[text.language]
        syllables = sum(_syllables(word, formula) for word in words)
        found = _measure(len(words), max(1, text.sentence_count), syllables, formula)
        level = next((name for least, name in _LEVELS if found.ease >= least), "very difficult")
        value = {
            "ease": round(found.ease, 1),
            "level": level,
            "words_per_sentence": round(found.words_per_sentence, 2),
            "syllables_per_word": round(found.syllables_per_word, 2),
            "language": text.language,
        }
        reasons = (
            f"{found.words_per_sentence:.1f} words a sentence and "
            f"{found.syllables_per_word:.2f} syllables a word: {level}.",
        )
        confidence = round(min(1.0, len(words) / LARGE_SAMPLE), 2)
        return OperationResult(self.by, value, reasons, confidence=confidence)


@dataclass(frozen=True, slots=True)
class ReadingFigures:
    """`ease` is from 0 to 100."""

    ease: float
    words_per_sentence: float
    syllables_per_word: float


def measure_sentences(sentences: Sequence[str], language: str) -> ReadingFigures | None:
    """Of a text in one of the languages of Readability, by its sentences (segments.py), each of
    which is remembered; None without words."""
    formula = _FORMULAS[language]
    counts = [_count_sentence(sentence, formula) for sentence in sentences]
    words = sum(count for count, _ in counts)
    if not words:
        return None
    return _measure(words, len(sentences), sum(syllables for _, syllables in counts), formula)


def _measure(words: int, sentences: int, syllables: int, formula: _Formula) -> ReadingFigures:
    per_sentence, per_word = words / sentences, syllables / words
    ease = formula.base - formula.sentence * per_sentence - formula.word * per_word
    return ReadingFigures(min(100.0, max(0.0, ease)), per_sentence, per_word)


@lru_cache(maxsize=4_096)
def _count_sentence(sentence: str, formula: _Formula) -> tuple[int, int]:
    """Words and syllables."""
    found = [sentence[start:end] for start, end in find_words(sentence)]
    return len(found), sum(_syllables(word, formula) for word in found)


@lru_cache(maxsize=16_384)
def _syllables(word: str, formula: _Formula) -> int:
    count = len(formula.vowels.findall(word))
    if count > 1 and formula.silent is not None and formula.silent.search(word):
        count -= 1
    return max(1, count)
