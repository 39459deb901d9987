"""Which cached answers are still good: every invalidation that this process knows, in memory.

Flows in: rows of the store, in any order and as often as one likes. Flows out: yes or no for an
answer, by its tenant, model, tags and the number `as_of` that was known when computing it began.
An answer is good if and only if nothing that touches it has a higher number. Pure: it knows neither
the store nor the time.

One row may stand for several (store.py merges them); a merged row touches more and has the highest
number of what it stands for, so an answer may be dropped for nothing, and never kept in error.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from cluster.invalidation.target import EVERYBODY, Invalidation


class Generations:
    """`latest` is the highest number that it knows: the `as_of` of what begins now."""

    def __init__(self) -> None:
        self.latest = 0
        self._everybody = _Marks()
        self._tenants: dict[str, _Marks] = {}

    @property
    def oldest_generation(self) -> int:
        """No answer is good that is older than this: the last time when all were invalidated,
        or rows were forgotten because of their age."""
        return self._everybody.whole

    def is_valid(self, tenant: str, model: str, tags: Sequence[str], as_of: int) -> bool:
        """Whether an answer that began to be computed `as_of` that number may be served."""
        if not self._everybody.spares(model, (), as_of):
            return False
        marks = self._tenants.get(tenant)
        return marks is None or marks.spares(model, tags, as_of)

    def apply(self, rows: Iterable[Invalidation]) -> None:
        """Heed these as well."""
        for row in rows:
            self._heed(row)

    def replace(self, rows: Iterable[Invalidation]) -> None:
        """Heed these, which are all there are, and forget what they stand for."""
        self._everybody, self._tenants = _Marks(), {}
        self.apply(rows)

    def __len__(self) -> int:
        """Rows that are held."""
        return sum(map(len, self._tenants.values())) + len(self._everybody)

    def _heed(self, row: Invalidation) -> None:
        self.latest = max(self.latest, row.seq)
        if row.kind == "all":
            self._everybody.sweep(row.seq)
            kept = {id: each for id, each in self._tenants.items() if each.newest > row.seq}
            self._tenants = kept
        elif row.tenant == EVERYBODY:
            self._everybody.heed(row)
        else:
            self._tenants.setdefault(row.tenant, _Marks()).heed(row)


class _Marks:
    """The newest number of each thing that one tenant, or everybody, invalidated."""

    __slots__ = ("_models", "_prefixes", "_tags", "newest", "whole")

    def __init__(self) -> None:
        self.newest = 0
        self.whole = 0
        self._models: dict[str, int] = {}
        self._tags: dict[str, int] = {}
        self._prefixes: defaultdict[int, dict[str, int]] = defaultdict(dict)  # by their length

    def __len__(self) -> int:
        prefixes = sum(map(len, self._prefixes.values()))
        return bool(self.whole) + len(self._models) + len(self._tags) + prefixes

    def spares(self, model: str, tags: Sequence[str], as_of: int) -> bool:
        """Whether nothing newer than `as_of` touches an answer."""
        if as_of >= self.newest:
            return True
        if self.whole > as_of or self._models.get(model, 0) > as_of:
            return False
        for tag in tags:  # noqa: SIM110 - twice as quick as all()
            if self._tags.get(tag, 0) > as_of or self._begins(tag, as_of):
                return False
        return True

    def _begins(self, tag: str, as_of: int) -> bool:
        """Whether a prefix newer than `as_of` begins `tag`."""
        for length, named in self._prefixes.items():  # noqa: SIM110
            if named.get(tag[:length], 0) > as_of:
                return True
        return False

    def heed(self, row: Invalidation) -> None:
        self.newest = max(self.newest, row.seq)
        if row.kind == "tenant":
            self.sweep(row.seq)
        else:
            held = self._held(row)
            held[row.name] = max(held.get(row.name, 0), row.seq)

    def sweep(self, seq: int) -> None:
        """Everything is touched; what is not newer need not be remembered one by one."""
        self.newest, self.whole = max(self.newest, seq), max(self.whole, seq)
        self._models, self._tags = _newer(self._models, seq), _newer(self._tags, seq)
        for length, named in list(self._prefixes.items()):
            self._prefixes[length] = _newer(named, seq)
            if not self._prefixes[length]:
                del self._prefixes[length]

    def _held(self, row: Invalidation) -> dict[str, int]:
        if row.kind == "prefix":
            return self._prefixes[len(row.name)]
        return self._tags if row.kind == "tag" else self._models


def _newer(held: dict[str, int], seq: int) -> dict[str, int]:
    return {name: number for name, number in held.items() if number > seq}
