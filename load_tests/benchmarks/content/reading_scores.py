"""How well what was read is what was written, by words.

In: the words of a document, and those that were read. Out: recall, precision, and order: the share
of neighbours that are still neighbours.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class ReadingScore:
    recall: float
    precision: float
    order: float

    @property
    def worst(self) -> float:
        return min(self.recall, self.precision, self.order)


def score_reading(written: Sequence[str], read: Sequence[str]) -> ReadingScore:
    common = (Counter(written) & Counter(read)).total()
    pairs, found = Counter(pairwise(written)), Counter(pairwise(read))
    return ReadingScore(
        common / max(1, len(written)),
        common / max(1, len(read)),
        (pairs & found).total() / max(1, pairs.total()),
    )
