"""Topics: what a text is about, and which texts are about the same.

Flows in: texts and their vectors. Flows out: of one text, the closest of the topics that are
shipped; of several, groups named by the words that set each apart from the others.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import NO_WORDS, OperationResult
from deployments.text.heads import load_head
from deployments.text.keywords import find_candidates
from deployments.text.operation import AnalyzedText, Options
from deployments.text.options import check_names, read_count
from deployments.text.passages import joint_vector
from deployments.text.probe import PROBE

MAX_TOPICS, DEFAULT_TOPICS = 10, 3
MAX_GROUPED = 256  # texts; time grows with the cube of their number
ALIKE = 0.32  # mean cosine from which two groups become one
_HEAD = "topics"
_CLOSE = 0.20  # cosine from which a text is about a topic
_NAME_WORDS = 3


class TopicFinder:
    """The operation `topics`; option `count` (1 to 10, default 3). Value: `topic` and `score`,
    the cosine, of each, best first; an empty list for a text about none of them."""

    name = "topics"
    languages = frozenset(("en",))
    needs_vectors = True

    @property
    def by(self) -> str:
        return load_head(_HEAD).by

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        _read(options)
        passages = text.passages
        return [*passages, PROBE] if passages else ()

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        count = _read(options)
        passages = text.passages
        if vectors is None or not passages:
            return OperationResult(self.by, reasons=(NO_WORDS,))
        head = load_head(_HEAD)
        refused = head.refuse(vectors[-1])
        if refused is not None:
            return refused
        scores = head.arrays["vectors"] @ joint_vector(passages, vectors[:-1])
        best = [int(at) for at in np.argsort(-scores)[:count] if scores[at] >= _CLOSE]
        value = [{"topic": head.labels[at], "score": round(float(scores[at]), 3)} for at in best]
        reasons = () if value else ("It is close to none of the topics.",)
        return OperationResult(self.by, value, reasons)


def _read(options: Options) -> int:
    check_names(options, "topics", frozenset(("count",)))
    return read_count(options, "topics", DEFAULT_TOPICS, MAX_TOPICS)


@dataclass(frozen=True, slots=True)
class TopicGroup:
    """Texts about the same: places in the list that was given, and words that name the group.
    `cohesion` is the mean cosine of two of them (1 for one text)."""

    members: tuple[int, ...]
    words: tuple[str, ...]
    cohesion: float


def group_texts(texts: Sequence[str], vectors: Vectors, alike: float = ALIKE) -> list[TopicGroup]:
    """The largest group first. `vectors` has one row of length 1 a text, at most MAX_GROUPED."""
    groups = _merge_groups(vectors @ vectors.T, alike)
    names = _group_names([[texts[at] for at in group] for group in groups])
    found = [
        TopicGroup(tuple(group), name, _cohesion(vectors[group]))
        for group, name in zip(groups, names, strict=True)
    ]
    return sorted(found, key=lambda group: (-len(group.members), group.members))


def _merge_groups(likeness: Vectors, alike: float) -> list[list[int]]:
    """Agglomerative clustering by the mean cosine between groups (UPGMA): the two closest become
    one, until none are as close as `alike`."""
    count = len(likeness)
    groups: dict[int, list[int]] = {at: [at] for at in range(count)}
    close = likeness.astype(np.float64)
    np.fill_diagonal(close, -np.inf)
    while len(groups) > 1:
        first, second = divmod(int(np.argmax(close)), count)
        if close[first, second] < alike:
            break
        sizes = len(groups[first]), len(groups[second])
        merged = (close[first] * sizes[0] + close[second] * sizes[1]) / sum(sizes)
        close[first, :], close[:, first] = merged, merged
        close[second, :], close[:, second] = -np.inf, -np.inf
        close[first, first] = -np.inf
        groups[first] += groups.pop(second)
    return [sorted(group) for group in groups.values()]


def _group_names(groups: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """For each group the phrases that are frequent in it and rare in the others (class-based
    tf-idf, Grootendorst 2022)."""
    counts = [Counter(_phrases(group)) for group in groups]
    everywhere: Counter[str] = Counter()
    for count in counts:
        everywhere.update(count)
    mean = sum(everywhere.values()) / max(1, len(groups))
    names = []
    for count, group in zip(counts, groups, strict=True):
        weight = {
            phrase: times / len(group) * log(1 + mean / everywhere[phrase])
            for phrase, times in count.items()
        }
        names.append(_different(sorted(weight, key=lambda phrase: (-weight[phrase], phrase))))
    return names


def _phrases(texts: Iterable[str]) -> Iterable[str]:
    """Each phrase of one or two words once for each text that has it."""
    for text in texts:
        for candidate in find_candidates(AnalyzedText(text)):
            if len(candidate.words) < 3:
                yield candidate.phrase


def _different(phrases: Iterable[str]) -> tuple[str, ...]:
    """The first ones that share no word."""
    chosen: list[str] = []
    taken: set[str] = set()
    for phrase in phrases:
        words = set(phrase.split())
        if not words & taken:
            chosen.append(phrase)
            taken |= words
        if len(chosen) == _NAME_WORDS:
            break
    return tuple(chosen)


def _cohesion(vectors: Vectors) -> float:
    count = len(vectors)
    if count == 1:
        return 1.0
    total = float(np.square(vectors.sum(axis=0)).sum())
    return round((total - count) / (count * (count - 1)), 3)
