"""The operation `hashtags`: which a text has, and what is wrong with them.

Flows in: a text. Flows out: spans and notes. A hashtag is a number sign, in ASCII or full width,
and letters, marks, digits or underscores, of which one at least is a letter (UAX #31, section 2.5).
"""

from collections import Counter

import regex

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import OperationResult, TextPart
from deployments.text.operation import AnalyzedText, Options, PlainOperation

LONG = 30  # characters; longer ones are hard to read
_TAG = regex.compile(r"(?<![\w\p{M}#＃&/])[#＃]([\w\p{M}]*+)")
_LETTER = regex.compile(r"\p{L}")


def find_hashtags(text: str) -> list[TextPart]:
    """Spans with the number sign."""
    return [
        TextPart(match.start(), match.end(), match.group(), "hashtag")
        for match in _TAG.finditer(text)
        if _LETTER.search(match.group(1))
    ]


class HashtagFinder(PlainOperation):
    """Value: `tags` (each once, in order, without the number sign), their `count` with repetitions,
    and `share`, the part of the text's characters that they take."""

    name = "hashtags"
    by = "hashtags@1"

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        spans = find_hashtags(text.text)
        tags = [span.text[1:] for span in spans]
        by_key = {tag.casefold(): tag for tag in reversed(tags)}
        counts = Counter(tag.casefold() for tag in tags)
        value = {
            "tags": [by_key[key] for key in counts],
            "count": len(spans),
            "share": round(sum(map(len, tags), len(tags)) / max(1, len(text.text)), 3),
        }
        return OperationResult(self.by, value, tuple(_notes(tags, counts)), tuple(spans), 1.0)


def _notes(tags: list[str], counts: Counter[str]) -> list[str]:
    notes = [f"#{tag} is there {count} times." for tag, count in counts.items() if count > 1]
    notes += [f"#{tag[:LONG]}... is long." for tag in dict.fromkeys(tags) if len(tag) > LONG]
    return notes[:10]
