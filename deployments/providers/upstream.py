"""One upstream: where it is, its key, its connections, and until when it is left out.

In: what a codec has encoded. Out: the bytes of an HTTP request. An upstream that has said when it
may be asked again is not asked before; one that refuses the operator's key, model or URL is asked
only where no other can be.
"""

from urllib.parse import urlencode

from cluster.resilience.failure_class import UpstreamFailed
from cluster.runtime.problems import Problem
from cluster.runtime.version import VERSION
from deployments.providers.credentials import Credential
from deployments.providers.http.egress import Endpoint
from deployments.providers.http.pool import ConnectionPool
from deployments.providers.wire import WireRequest

REFUSED_S = 5.0  # first; doubled each time in a row
MAX_REFUSED_S = 60.0
_USER_AGENT = f"Mobula/{VERSION}"


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
        self.busy_until = self.refused_until = 0.0
        self.last_problem: Problem | None = None
        self._refused_s = self._failed_at = 0.0
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

    def post(self, wire: WireRequest) -> bytes:
        """The request as HTTP/1.1."""
        more = "".join([f"{name}: {value}\r\n" for name, value in wire.headers])
        head = (
            f"POST {self._path}{wire.path}{self._query} HTTP/1.1\r\n{self._headers}{more}"
            f"content-length: {len(wire.body)}\r\n"
        )
        return b"".join((head.encode("ascii"), self.credential.line, b"\r\n", wire.body))

    def get(self, path: str, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
        more = "".join([f"{name}: {value}\r\n" for name, value in headers])
        head = f"GET {self._path}{path}{self._query} HTTP/1.1\r\n{self._headers}{more}"
        return b"".join((head.encode("ascii"), self.credential.line, b"\r\n"))

    def succeeded(self) -> None:
        """It has answered as it should."""
        self.last_problem = None
        self.refused_until = self._refused_s = 0.0

    def busy(self, problem: Problem, until: float) -> None:
        """It said that it takes nothing more until then."""
        self.busy_until = until
        if self.last_problem is None:
            self.last_problem = problem

    def refused(self, problem: Problem, now: float) -> None:
        self._refused_s = min(MAX_REFUSED_S, 2 * self._refused_s) or REFUSED_S
        self.refused_until = now + self._refused_s
        self.failed(problem, now)

    def failed(self, problem: Problem, now: float) -> None:
        self.last_problem, self._failed_at = problem, now

    def failure(self, now: float, remembered_s: float) -> Problem | None:
        """What is wrong with it, if it has failed not longer ago."""
        if self.credential.problem is not None:
            return UpstreamFailed(self.source, f"{self.credential.problem}.")
        problem = self.last_problem
        is_failure = isinstance(problem, UpstreamFailed)
        return problem if is_failure and now - self._failed_at <= remembered_s else None

    def new_key(self) -> None:
        """Another key: what the last one was refused for counts no more."""
        self.refused_until = self._refused_s = 0.0
