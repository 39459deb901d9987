"""HTTP requests of one ingress replica: by route, status and tenant, and how long they took.

In: one call for each response, of the fast path too. Out: readings for the scrape. Serve's own
series lack the requests that go around its wrapper (serve_bypass.py). All that one request counts
is one call and some additions (`./mobula bench observe`).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from operator import add

from cluster.metrics.catalogue import http, tenants
from cluster.metrics.metric import DURATION_S, OTHER, OVERHEAD_S
from cluster.metrics.series import Distribution, Exemplars, Reading, Sample

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)
MAX_CELLS = 2_000  # of route, method and status; of tenant and status ten times as many
_MAX_TENANT_CELLS = 10 * MAX_CELLS
_BOUNDS_MS = tuple(bound * 1000 for bound in DURATION_S)
_OVERHEAD_BOUNDS_MS = tuple(bound * 1000 for bound in OVERHEAD_S)
# A cell: counts by duration, the sum of durations in ms, that of bytes, then the same of overheads.
_MS = len(_BOUNDS_MS) + 1
_BYTES = _MS + 1
_OVERHEADS = _BYTES + 1
_OVERHEAD_MS = _OVERHEADS + len(_OVERHEAD_BOUNDS_MS) + 1
_NOT_STARTED = -1.0
OUTCOMES = ("ok", "client_error", "limited", "server_error", "left")
_LIMITED = 429
_LEFT = 499


class RequestMetrics:
    """`template_of` gives the route of a path, OTHER where there is none; `operations` the name of
    a route's operation, of those that have one.
    """

    def __init__(
        self,
        template_of: Callable[[str], str] = lambda path: OTHER,
        operations: Mapping[str, str] | None = None,
    ) -> None:
        self.template_of = template_of
        self.operations = operations or {}
        self._cells: dict[tuple[str, str, int, str], list[float]] = {}
        self._tenants: dict[tuple[str, int], int] = {}
        self._problems: Counter[str] = Counter()
        self._exemplars: dict[tuple[str, str], dict[int, tuple[str, float, float]]] = {}

    def record(
        self,
        path: str,
        method: str,
        status: int,
        ms: float,
        size: int,
        tenant: str | None,
        problem: str | None = None,
        kind: str = "unary",
        overhead_ms: float = _NOT_STARTED,
    ) -> None:
        """One request has ended after `ms` milliseconds with `size` bytes of body; status 499: its
        client left before. `tenant` is the verified caller's, `problem` the slug of the answer,
        `overhead_ms` the time to its first byte that no model took (negative: there was none).
        """
        try:  # a path without parameters is its own template
            cell = self._cells[path, method, status, kind]
        except KeyError:
            cell = self._cell(path, method, status, kind)
        cell[bisect_left(_BOUNDS_MS, ms)] += 1
        cell[_MS] += ms
        cell[_BYTES] += size
        if overhead_ms >= 0:
            cell[_OVERHEADS + bisect_left(_OVERHEAD_BOUNDS_MS, overhead_ms)] += 1
            cell[_OVERHEAD_MS] += overhead_ms
        if tenant is not None:
            try:
                self._tenants[tenant, status] += 1
            except KeyError:
                self._count_new(tenant, status)
        if problem is not None:
            self._problems[problem] += 1

    def exemplify(self, path: str, kind: str, ms: float, trace: str, at: float) -> None:
        """The request that has just ended was sampled as `trace`, at `at` Unix seconds."""
        found = self._exemplars.setdefault((self.template_of(path), kind), {})
        found[bisect_left(_BOUNDS_MS, ms)] = (trace, ms / 1000, at)

    def read(self, open_requests: int) -> Iterator[Reading]:
        """Everything since the start."""
        requests: Counter[tuple[str, str, str]] = Counter()
        outcomes = dict.fromkeys(OUTCOMES, 0)
        routes: dict[tuple[str, str], list[float]] = {}
        for (route, method, status, kind), cell in list(self._cells.items()):
            count = int(sum(cell[:_MS]))
            requests[route, method, str(status)] += count
            outcomes[outcome_of(status)] += count
            _add(routes, (route, kind), cell)
        yield http.REQUESTS, list(requests.items())
        yield http.OUTCOMES, [((outcome,), count) for outcome, count in outcomes.items()]
        yield (
            http.DURATION,
            [
                (key, (*_distribution(cell[:_MS], cell[_MS])[:2], self._exemplars_of(key)))
                for key, cell in routes.items()
            ],
        )
        sizes: Counter[tuple[str]] = Counter()
        for (route, _), cell in routes.items():
            sizes[route,] += int(cell[_BYTES])
        yield http.RESPONSE_BYTES, list(sizes.items())
        yield http.OPEN, [((), open_requests)]
        yield http.PROBLEMS, [((slug,), count) for slug, count in self._problems.items()]
        yield from self._read_operations()
        yield tenants.REQUESTS, self._by_tenant()

    def _read_operations(self) -> Iterator[Reading]:
        """Of each operation that was asked for."""
        counts: dict[tuple[str, str], int] = {}
        overheads: dict[tuple[str, str], list[float]] = {}
        for (route, method, status, _), cell in list(self._cells.items()):
            operation = self.operations.get(route)
            if operation is None or method != "POST":
                continue
            for outcome in OUTCOMES:
                counts.setdefault((operation, outcome), 0)
            counts[operation, outcome_of(status)] += int(sum(cell[:_MS]))
            _add(overheads, (operation, ""), cell)
        yield http.OPERATIONS, list(counts.items())
        yield (
            http.OVERHEAD,
            [
                ((operation,), _distribution(cell[_OVERHEADS:_OVERHEAD_MS], cell[_OVERHEAD_MS]))
                for (operation, _), cell in overheads.items()
            ],
        )

    def _by_tenant(self) -> list[Sample]:
        outcomes: Counter[tuple[str, str]] = Counter()
        for (tenant, status), count in list(self._tenants.items()):
            outcomes[tenant, outcome_of(status)] += count
        return list(outcomes.items())

    def _exemplars_of(self, key: tuple[str, str]) -> Exemplars:
        return dict(self._exemplars.get(key, {}))

    def _cell(self, path: str, method: str, status: int, kind: str) -> list[float]:
        """A cell under names that no stranger has chosen."""
        route = self.template_of(path)
        if len(self._cells) >= MAX_CELLS:
            route = OTHER
        key = route, method if method in METHODS else OTHER, status, kind
        return self._cells.setdefault(key, [0] * (_OVERHEAD_MS + 1))

    def _count_new(self, tenant: str, status: int) -> None:
        key = (tenant if len(self._tenants) < _MAX_TENANT_CELLS else OTHER, status)
        self._tenants[key] = self._tenants.get(key, 0) + 1


def _add(
    cells: dict[tuple[str, str], list[float]], key: tuple[str, str], cell: list[float]
) -> None:
    known = cells.get(key)
    cells[key] = list(cell) if known is None else list(map(add, known, cell))


def _distribution(counts: list[float], sum_ms: float) -> Distribution:
    return [int(n) for n in counts], sum_ms / 1000, {}


def outcome_of(status: int) -> str:
    """What a status means for who asked."""
    if status == _LEFT:
        return "left"
    if status == _LIMITED:
        return "limited"
    if status >= 500:
        return "server_error"
    return "client_error" if status >= 400 else "ok"
