"""Notes: the repaired or skipped faults of a transcript, in sentences for its owner."""

from collections import Counter
from dataclasses import dataclass, field

MAX_NOTES = 12


@dataclass(slots=True)
class Notes:
    """Collects `sentences`; repeated faults become one sentence with their number and the first
    location."""

    _faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    _first: dict[tuple[str, str], str] = field(default_factory=dict)
    _sentences: list[str] = field(default_factory=list)

    def count(self, noun: str, what: str, where: str = "") -> None:
        """One more `noun` ("line") with the fault `what` ("left out: ...")."""
        self._faults[noun, what] += 1
        if where:
            self._first.setdefault((noun, what), where)

    def add(self, sentence: str) -> None:
        self._sentences.append(sentence)

    def first(self) -> str:
        """The location of the first counted fault; empty: there is none, or it has no location."""
        return next(iter(self._first.values()), "")

    def sentences(self) -> tuple[str, ...]:
        counted = [
            f"{number} {noun}{'' if number == 1 else 's'} {what}"
            + (f" (first: {self._first[noun, what]})" if (noun, what) in self._first else "")
            for (noun, what), number in self._faults.items()
        ]
        return tuple(text[:300] for text in [*self._sentences, *counted][:MAX_NOTES])
