"""HTTP requests of one ingress replica: by route, status and tenant, and how long they took.

In: one call for each response, of the fast path too. Out: readings for the scrape. Serve's own
series lack the requests that go around its wrapper (serve_bypass.py). All that one request counts
is one call and some additions (`./mobula bench observe`).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from cluster.metrics.catalogue import http, tenants
from cluster.metrics.metric import DURATION_S, OTHER
from cluster.metrics.series import Exemplars, Reading, Sample

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)
MAX_CELLS = 2_000  # of route, method and status; of tenant and status ten times as many
_MAX_TENANT_CELLS = 10 * MAX_CELLS
_BOUNDS_MS = tuple(bound * 1000 for bound in DURATION_S)
_MS = len(_BOUNDS_MS) + 1  # a cell: counts by duration, then the sum of durations in ms
_BYTES = _MS + 1  # and that of bytes
OUTCOMES = ("ok", "client_error", "limited", "server_error", "left")
_LIMITED = 429
_LEFT = 499


class RequestMetrics:
    """`template_of` gives the route of a path, OTHER where there is none."""

    def __init__(self, template_of: Callable[[str], str] = lambda path: OTHER) -> None:
        self.template_of = template_of
        self._cells: dict[tuple[str, str, int], list[float]] = {}
        self._tenants: dict[tuple[str, int], int] = {}
        self._problems: Counter[str] = Counter()
        self._exemplars: dict[str, dict[int, tuple[str, float, float]]] = {}

    def record(
        self,
        path: str,
        method: str,
        status: int,
        ms: float,
        size: int,
        tenant: str | None,
        problem: str | None = None,
    ) -> None:
        """One request has ended after `ms` milliseconds with `size` bytes of body; status 499: its
        client left before. `tenant` is the verified caller's, `problem` the slug of the answer.
        """
        try:  # a path without parameters is its own template
            cell = self._cells[path, method, status]
        except KeyError:
            cell = self._cell(path, method, status)
        cell[bisect_left(_BOUNDS_MS, ms)] += 1
        cell[_MS] += ms
        cell[_BYTES] += size
        if tenant is not None:
            try:
                self._tenants[tenant, status] += 1
            except KeyError:
                self._count_new(tenant, status)
        if problem is not None:
            self._problems[problem] += 1

    def exemplify(self, path: str, ms: float, trace: str, at: float) -> None:
        """The request that has just ended was traced as `trace`, at `at` Unix seconds."""
        found = self._exemplars.setdefault(self.template_of(path), {})
        found[bisect_left(_BOUNDS_MS, ms)] = (trace, ms / 1000, at)

    def read(self, open_requests: int) -> Iterator[Reading]:
        """Everything since the start."""
        cells = list(self._cells.items())
        yield (
            http.REQUESTS,
            [((route, method, str(code)), int(sum(c[:_MS]))) for (route, method, code), c in cells],
        )
        yield http.OUTCOMES, self._outcomes()
        routes: dict[str, list[float]] = {}
        for (route, _, _), cell in cells:
            known = routes.get(route, [0.0] * (_BYTES + 1))
            routes[route] = [a + b for a, b in zip(known, cell, strict=True)]
        yield (
            http.DURATION,
            [
                ((route,), ([int(n) for n in c[:_MS]], c[_MS] / 1000, self._exemplars_of(route)))
                for route, c in routes.items()
            ],
        )
        yield http.RESPONSE_BYTES, [((route,), int(c[_BYTES])) for route, c in routes.items()]
        yield http.OPEN, [((), open_requests)]
        yield http.PROBLEMS, [((slug,), count) for slug, count in self._problems.items()]
        outcomes: Counter[tuple[str, str]] = Counter()
        for (tenant, status), count in list(self._tenants.items()):
            outcomes[tenant, outcome_of(status)] += count
        yield tenants.REQUESTS, list(outcomes.items())

    def _outcomes(self) -> list[Sample]:
        counts = dict.fromkeys(OUTCOMES, 0)
        for (_, _, status), cell in list(self._cells.items()):
            counts[outcome_of(status)] += int(sum(cell[:_MS]))
        return [((outcome,), count) for outcome, count in counts.items()]

    def _exemplars_of(self, route: str) -> Exemplars:
        return dict(self._exemplars.get(route, {}))

    def _cell(self, path: str, method: str, status: int) -> list[float]:
        """A cell under names that no stranger has chosen."""
        route = self.template_of(path)
        if len(self._cells) >= MAX_CELLS:
            route = OTHER
        key = route, method if method in METHODS else OTHER, status
        return self._cells.setdefault(key, [0] * (_BYTES + 1))

    def _count_new(self, tenant: str, status: int) -> None:
        key = (tenant if len(self._tenants) < _MAX_TENANT_CELLS else OTHER, status)
        self._tenants[key] = self._tenants.get(key, 0) + 1


def outcome_of(status: int) -> str:
    """What a status means for who asked."""
    if status == _LEFT:
        return "left"
    if status == _LIMITED:
        return "limited"
    if status >= 500:
        return "server_error"
    return "client_error" if status >= 400 else "ok"
