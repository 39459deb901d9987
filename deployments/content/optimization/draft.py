"""A text while it is edited: where its parts are, and what an edit makes of it.

In: a text. Out: places of its body, sentences and closing hashtags in code points; edited texts.
"""

from dataclasses import dataclass
from functools import cached_property
from os.path import commonprefix

import regex

from deployments.content.cleanup import CleanedText, split_finished
from deployments.content.optimization.task import OptimizationTask
from deployments.content.platforms import Platform, platform
from deployments.content.text_counts import SENTENCE, words_of_sentence
from deployments.text.segments import Place, find_sentences

# Two and more words in capitals in a row.
SHOUT = regex.compile(r"(?<![\w#@])\p{Lu}{3,}(?:[ \t]+\p{Lu}{2,})+(?![\p{Ll}\p{N}])")


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Replaces `start` to `end` (code points) of a text by `text`; `rule` names who proposes it,
    `reason` says why."""

    start: int
    end: int
    text: str
    rule: str
    reason: str

    def apply(self, whole: str) -> str:
        return whole[: self.start] + self.text + whole[self.end :]

    def trimmed(self, whole: str) -> "TextEdit":
        """The same edit, without what it leaves as it is at both ends."""
        old = whole[self.start : self.end]
        head = len(commonprefix([old, self.text]))
        tail = len(commonprefix([old[head:][::-1], self.text[head:][::-1]]))
        text = self.text[head : len(self.text) - tail]
        return TextEdit(self.start + head, self.end - tail, text, self.rule, self.reason)


@dataclass(frozen=True)
class DraftText:
    """A text and the task that it is edited for."""

    text: str
    task: OptimizationTask

    @cached_property
    def finished(self) -> CleanedText:
        return split_finished(self.text)

    @cached_property
    def site(self) -> Platform:
        return platform(self.task.platform)

    @property
    def is_english(self) -> bool:
        return self.task.language == "en"

    @property
    def room(self) -> int:
        """Characters that the platform still takes."""
        return self.site.max_chars - len(self.text)

    @cached_property
    def body_end(self) -> int:
        """Where the closing hashtags, and the space before them, begin."""
        return len(self.text) - len(self.text.lstrip()) + len(self.finished.body.rstrip())

    @cached_property
    def sentences(self) -> list[Place]:
        """Of the body."""
        return find_sentences(self.text[: self.body_end])

    @cached_property
    def words(self) -> list[str]:
        """Of the body, case-folded."""
        parts = SENTENCE.findall(self.finished.body)
        return [word for part in parts for word in words_of_sentence(part)]

    def has_phrase(self, phrase: str) -> bool:
        """Whether the words of `phrase` follow each other in the body."""
        wanted, found = list(words_of_sentence(phrase)), self.words
        size = len(wanted)
        if not wanted or wanted[0] not in found:
            return False
        return any(
            found[at : at + size] == wanted for at, word in enumerate(found) if word == wanted[0]
        )

    def has_hashtag(self, phrase: str) -> bool:
        tag = "".join(words_of_sentence(phrase))
        return any(existing.casefold() == tag for existing in self.finished.hashtags)
