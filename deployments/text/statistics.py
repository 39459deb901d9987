"""The operation `statistics`: what can be counted in a text.

Flows in: a text. Flows out: counts and means. Nothing is judged.
"""

import regex

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import OperationResult
from deployments.text.graphemes import emoji_in
from deployments.text.hashtags import find_hashtags
from deployments.text.operation import AnalyzedText, Options, PlainOperation
from deployments.text.segments import count_unsegmented, find_urls

# Silent reading of non-fiction in English, in words a minute (Brysbaert, Journal of Memory and
# Language 109, 2019).
WORDS_A_MINUTE = 238
_MENTION = regex.compile(r"(?<![\w@/.&])@[\w][\w.]*+(?!@)")
_NUMBER = regex.compile(r"(?<![\p{L}\p{N}])\p{Nd}+(?:[.,:]\p{Nd}+)*")
_PARAGRAPH = regex.compile(r"\n[ \t]*\n\s*")


class TextStatistics(PlainOperation):
    """Value: counts of characters (code points), words, sentences and others; means;
    `reading_time_s`."""

    name = "statistics"
    by = "statistics@1"

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        whole = text.text
        words, sentences = text.words, text.sentence_count
        letters = sum(map(str.isalpha, whole))
        unsegmented = count_unsegmented(whole)
        value = {
            "characters": len(whole),
            "characters_without_spaces": len(whole) - sum(map(str.isspace, whole)),
            "words": len(words),
            "unique_words": len({word.casefold() for word in words}),
            "sentences": sentences,
            "paragraphs": sum(bool(part.strip()) for part in _PARAGRAPH.split(whole)),
            "lines": len(whole.splitlines()),
            "emoji": 0 if whole.isascii() else len(emoji_in(whole)),
            "hashtags": len(find_hashtags(whole)),
            "mentions": len(_MENTION.findall(whole)),
            "urls": len(find_urls(whole)),
            "numbers": len(_NUMBER.findall(whole)),
            "questions": whole.count("?") + whole.count("？"),
            "exclamations": whole.count("!") + whole.count("！"),
            "uppercase_share": _share(sum(map(str.isupper, whole)), letters),
            "words_per_sentence": _share(len(words), sentences),
            "characters_per_word": _share(sum(map(len, words)), len(words)),
            "reading_time_s": round(60 * len(words) / WORDS_A_MINUTE, 1),
        }
        reasons: tuple[str, ...] = ()
        if unsegmented:
            reasons = (
                f"{unsegmented} characters are of scripts that do not part words by spaces: a run "
                "of them counts as one word.",
            )
        return OperationResult(self.by, value, reasons, confidence=1.0)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None
