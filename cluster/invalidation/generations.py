"""Which cached responses are still valid: every invalidation that this process knows, in memory.

In: rows of the store, in any order, repeated or not. Out: yes or no for an entry, by its tenant,
model, tags and the number `as_of` of the last invalidation known when its computation began. An
entry is valid if and only if no invalidation that matches it has a higher number. Pure: it knows
neither the store nor the time.

One row may stand for several (store.py merges them); a merged row matches more and has the highest
number of them. So a valid entry may be dropped, but an invalid one is never served.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from cluster.invalidation.target import EVERYBODY, Invalidation


class Generations:
    """`latest` is the highest known number: the `as_of` of a computation that begins now."""

    def __init__(self) -> None:
        self.latest = 0
        self._everybody = _Invalidated()
        self._tenants: dict[str, _Invalidated] = {}

    @property
    def oldest_generation(self) -> int:
        """No entry older than this is valid: the last time when all entries were invalidated, or
        old rows were merged."""
        return self._everybody.all

    def is_valid(self, tenant: str, model: str, tags: Sequence[str], as_of: int) -> bool:
        """Whether an entry whose computation began at number `as_of` may be served."""
        if self._everybody.match(model, (), as_of):
            return False
        invalidated = self._tenants.get(tenant)
        return invalidated is None or not invalidated.match(model, tags, as_of)

    def apply(self, rows: Iterable[Invalidation]) -> None:
        """Add these rows."""
        for row in rows:
            self._apply_row(row)

    def replace(self, rows: Iterable[Invalidation]) -> None:
        """Replace everything by these rows, which stand for all others."""
        self._everybody, self._tenants = _Invalidated(), {}
        self.apply(rows)

    def __len__(self) -> int:
        """The number of rows."""
        return sum(map(len, self._tenants.values())) + len(self._everybody)

    def _apply_row(self, row: Invalidation) -> None:
        self.latest = max(self.latest, row.seq)
        if row.kind == "all":
            self._everybody.invalidate_all(row.seq)
            newer = {id: each for id, each in self._tenants.items() if each.newest > row.seq}
            self._tenants = newer
        elif row.tenant == EVERYBODY:
            self._everybody.add(row)
        else:
            self._tenants.setdefault(row.tenant, _Invalidated()).add(row)


class _Invalidated:
    """The newest number of each thing that one tenant, or everybody, invalidated."""

    __slots__ = ("_models", "_prefixes", "_tags", "all", "newest")

    def __init__(self) -> None:
        self.newest = 0
        self.all = 0
        self._models: dict[str, int] = {}
        self._tags: dict[str, int] = {}
        self._prefixes: defaultdict[int, dict[str, int]] = defaultdict(dict)  # by their length

    def __len__(self) -> int:
        prefixes = sum(map(len, self._prefixes.values()))
        return bool(self.all) + len(self._models) + len(self._tags) + prefixes

    def match(self, model: str, tags: Sequence[str], as_of: int) -> bool:
        """Whether an invalidation newer than `as_of` matches an entry."""
        if as_of >= self.newest:
            return False
        if self.all > as_of or self._models.get(model, 0) > as_of:
            return True
        for tag in tags:  # noqa: SIM110 - twice as quick as any()
            if self._tags.get(tag, 0) > as_of or self._match_prefix(tag, as_of):
                return True
        return False

    def _match_prefix(self, tag: str, as_of: int) -> bool:
        for length, prefixes in self._prefixes.items():
            if prefixes.get(tag[:length], 0) > as_of:
                return True
        return False

    def add(self, row: Invalidation) -> None:
        self.newest = max(self.newest, row.seq)
        if row.kind == "tenant":
            self.invalidate_all(row.seq)
        else:
            numbers = self._numbers(row)
            numbers[row.name] = max(numbers.get(row.name, 0), row.seq)

    def invalidate_all(self, seq: int) -> None:
        """Everything is invalid up to `seq`; older invalidations are forgotten."""
        self.newest, self.all = max(self.newest, seq), max(self.all, seq)
        self._models, self._tags = _newer(self._models, seq), _newer(self._tags, seq)
        for length, prefixes in list(self._prefixes.items()):
            self._prefixes[length] = _newer(prefixes, seq)
            if not self._prefixes[length]:
                del self._prefixes[length]

    def _numbers(self, row: Invalidation) -> dict[str, int]:
        if row.kind == "prefix":
            return self._prefixes[len(row.name)]
        return self._tags if row.kind == "tag" else self._models


def _newer(numbers: dict[str, int], seq: int) -> dict[str, int]:
    return {name: number for name, number in numbers.items() if number > seq}
