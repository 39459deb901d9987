"""Words of texts and of queries: the one tokenizer of every search, so that all find the same.

In: text. Out: words of letters and digits, NFKC, case folded, without accents, at most MAX_WORD
characters. Of scripts that put no spaces between words each character is a word.
"""

import re
import unicodedata

MAX_WORD = 40  # characters
SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{SPACELESS}]|[^\W_{SPACELESS}]+")


def words_of(text: str) -> list[str]:
    """In order, each as often as it is there."""
    return [word[:MAX_WORD] for word in _WORD.findall(fold_text(text))]


def fold_text(text: str) -> str:
    """NFKC and case folded, without accents (marks that stand on nothing are left out)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return folded
    decomposed = unicodedata.normalize("NFD", folded)
    bare = "".join(each for each in decomposed if unicodedata.category(each) != "Mn")
    return unicodedata.normalize("NFC", bare)
