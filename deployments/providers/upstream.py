"""One upstream: where it is, its key, its connections, and until when it is left out.

In: what a codec has encoded. Out: the bytes of an HTTP request. An upstream that has said when it
may be asked again is not asked before. One that cannot be connected to, fails several times in a
row, or refuses the operator's key, model or URL is asked only where no other can be, and after some
time by one request. (A failing upstream answers fast, so it would be the least busy: the ejection
of cluster/balancing, which compares rates, comes too late for the retry budget.)
"""

from copy import copy
from urllib.parse import urlencode

from cluster.resilience.failure_class import UpstreamFailed
from cluster.runtime.problems import Problem
from cluster.runtime.version import VERSION
from deployments.providers.credentials import Credential
from deployments.providers.errors import UpstreamUnreachable
from deployments.providers.http.egress import Endpoint
from deployments.providers.http.pool import ConnectionPool
from deployments.providers.wire import WireRequest

# How long it is left out; doubled each time in a row.
REFUSED_S, MAX_REFUSED_S = 5.0, 60.0
FAILED_S, MAX_FAILED_S = 0.5, 30.0
FAILURES = 3  # in a row, before it is left out
PROBE_S = 5.0  # for one request to show whether it is back
_MAX_HEADS = 64
_USER_AGENT = f"Mobula/{VERSION}"

HeaderLines = tuple[tuple[str, str], ...]


class Upstream:
    """`name` tells it from the model's other upstreams in reports. Times are monotonic."""

    def __init__(
        self,
        name: str,
        source: str,
        endpoint: Endpoint,
        pool: ConnectionPool,
        credential: Credential,
        headers: dict[str, str],
        query: dict[str, str],
        weight: float = 1.0,
    ) -> None:
        self.name = name
        self.source = source
        self.weight = weight
        self.pool = pool
        self.credential = credential
        self.busy_until = self.out_until = 0.0
        self.last_problem: Problem | None = None
        self.failed_at = 0.0  # of `last_problem`
        self._out_s = 0.0
        self._failures = 0  # in a row
        self._is_probed = False
        self._path = endpoint.path
        self._query = f"?{urlencode(query)}" if query else ""
        lines = {
            "host": endpoint.host_header,
            "user-agent": _USER_AGENT,
            "accept-encoding": "identity",
            "content-type": "application/json",
            **{name.lower(): value for name, value in headers.items()},
        }
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._heads: dict[tuple[str, HeaderLines], bytes] = {}  # of `post`; codecs make few

    def post(self, wire: WireRequest) -> bytes:
        """The request as HTTP/1.1."""
        key = wire.path, wire.headers
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            more = "".join([f"{name}: {value}\r\n" for name, value in wire.headers])
            target = f"{self._path}{wire.path}{self._query}"
            text = f"POST {target} HTTP/1.1\r\n{self._headers}{more}content-length: "
            head = self._heads[key] = text.encode("ascii")
        return b"%b%d\r\n%b\r\n%b" % (head, len(wire.body), self.credential.line, wire.body)

    def get(self, path: str, headers: HeaderLines = ()) -> bytes:
        more = "".join([f"{name}: {value}\r\n" for name, value in headers])
        head = f"GET {self._path}{path}{self._query} HTTP/1.1\r\n{self._headers}{more}"
        return b"".join((head.encode("ascii"), self.credential.line, b"\r\n"))

    @property
    def is_out(self) -> bool:
        """Whether it is asked only where no other can be."""
        return self._out_s > 0

    def probed(self, now: float) -> None:
        """One request is sent to see whether it is back; others wait for that."""
        self.out_until, self._is_probed = now + PROBE_S, True

    def succeeded(self) -> None:
        """It has answered as it should."""
        self.last_problem = None
        self._forget_failures()

    def busy(self, problem: Problem, until: float) -> None:
        """It said that it takes nothing more until then."""
        self.busy_until = until
        if self.last_problem is None:
            self.last_problem = copy(problem)

    def refused(self, problem: Problem, now: float) -> None:
        """It refuses the key, the model or the URL."""
        self._leave_out(now, REFUSED_S, MAX_REFUSED_S)
        self.last_problem, self.failed_at = copy(problem), now

    def failed(self, problem: Problem, now: float) -> None:
        self._failures += 1
        if self._failures >= FAILURES or isinstance(problem, UpstreamUnreachable):
            self._leave_out(now, FAILED_S, MAX_FAILED_S)
        self.last_problem, self.failed_at = copy(problem), now

    def _leave_out(self, now: float, first_s: float, longest_s: float) -> None:
        if self.is_out and now < self.out_until and not self._is_probed:
            return  # sent before
        self._is_probed = False
        self._out_s = min(longest_s, 2 * self._out_s) if self._out_s else first_s
        self.out_until = now + self._out_s

    def failure(self, now: float, remembered_s: float) -> Problem | None:
        """What is wrong with it, if it has failed not longer ago. Each is a copy, as tracebacks of
        what is raised hold requests, and grow.
        """
        if self.credential.problem is not None:
            return UpstreamFailed(self.source, f"{self.credential.problem}.")
        problem = self.last_problem
        is_failure = isinstance(problem, UpstreamFailed)
        return copy(problem) if is_failure and now - self.failed_at <= remembered_s else None

    def readmit(self) -> None:
        """It has another key: what was said of the last one counts no more."""
        self.busy_until = 0.0
        self._forget_failures()

    def _forget_failures(self) -> None:
        self.out_until = self._out_s = 0.0
        self._failures, self._is_probed = 0, False
