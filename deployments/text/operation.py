"""What every operation of text analysis has in common.

Flows in: a text, its language, options, and the vectors of the strings that the operation wants
embedded. Flows out: an OperationResult. Operations are blocking and pure: who calls them decides
on threads, and on the embedder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import OperationResult
from deployments.text.language import Language, find_language
from deployments.text.passages import join_sentences
from deployments.text.segments import Place, find_sentences, find_words

Options = Mapping[str, Any]
CERTAIN = 0.5  # probability from which a detected language counts


@dataclass(frozen=True)
class AnalyzedText:
    """A text, and what several operations want to know about it. `named` is the language by which
    the caller named it (empty: it is to be detected)."""

    text: str
    named: str = ""

    @cached_property
    def detected(self) -> Language | None:
        """None for a text without words."""
        return find_language(self.text)

    @cached_property
    def word_places(self) -> list[Place]:
        """Without those of addresses, handles and hashtags."""
        return find_words(self.text)

    @cached_property
    def words(self) -> tuple[str, ...]:
        return tuple(self.text[start:end] for start, end in self.word_places)

    @cached_property
    def sentences(self) -> list[Place]:
        return find_sentences(self.text)

    @property
    def sentence_count(self) -> int:
        return len(self.sentences)

    @cached_property
    def passage_places(self) -> list[Place]:
        """As of `passages.passage_places`."""
        return join_sentences(self.text, self.sentences) if self.word_places else []

    @cached_property
    def passages(self) -> tuple[str, ...]:
        return tuple(self.text[start:end] for start, end in self.passage_places)

    @property
    def language(self) -> str:
        """The ISO 639 code that operations go by; empty where it is not certain."""
        if self.named:
            return self.named
        found = self.detected
        return found.code if found is not None and found.score >= CERTAIN else ""


class TextOperation(Protocol):
    """One kind of analysis. `by` is `name@version`; a change of what it answers changes the
    version, which is part of cache keys. `languages` are those that it takes (empty: any).
    With `needs_vectors` it answers nothing where there is no embedder."""

    @property
    def name(self) -> str: ...

    @property
    def by(self) -> str: ...

    @property
    def languages(self) -> frozenset[str]: ...

    @property
    def needs_vectors(self) -> bool: ...

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        """What `analyze` wants the vectors of; empty: of nothing. A string must not be empty."""
        ...

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        """`vectors` has one row for each of `strings_to_embed` (None: there is no embedder).
        Raises InvalidRequest for options that make no sense."""
        ...


class PlainOperation:
    """A base of operations that need no vectors."""

    languages: frozenset[str] = frozenset()
    needs_vectors = False

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        return ()
