"""The background check of upstreams, so that `/health` knows of a failure before a request does.

In: the upstreams to ask for `/models`, every 30 s, and key files to look at every 2 s. Out: notes
at the upstreams. A server without that route is reachable all the same.
"""

import asyncio
from collections.abc import Callable, Iterable

from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.providers.anthropic.codec import VERSION_HEADER
from deployments.providers.attempts import fault_problem
from deployments.providers.errors import (
    UpstreamError,
    UpstreamUnreachable,
    error_problem,
    unreadable,
)
from deployments.providers.http.exchange import HttpFault
from deployments.providers.http.pool import PoolExhausted
from deployments.providers.upstream import Upstream
from deployments.providers.upstream_caller import UpstreamCaller

CHECK_S = 30.0
KEYS_S = 2.0
TIMEOUT_S = 10.0
# Of servers without a list of models, for keys that may not read it, and of busy ones.
_REACHABLE = (403, 404, 405, 429, 501, 503, 529)
_LISTS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "openai": ("/models", ()),
    "anthropic": ("/v1/models", (VERSION_HEADER,)),
}

CheckedUpstream = tuple[UpstreamCaller, Upstream, str]  # whose it is, and its engine


class BackgroundCheck:
    """Start it on the loop that uses the upstreams."""

    def __init__(
        self,
        checked: Callable[[], Iterable[CheckedUpstream]],
        all_upstreams: Callable[[], Iterable[Upstream]],
        clock: Clock,
    ) -> None:
        """`checked` are the upstreams to ask, `all_upstreams` those with keys."""
        self._checked = checked
        self._all = all_upstreams
        self._now = clock.monotonic
        self._tasks = (
            PeriodicTask(self.ask, CHECK_S, "check of the providers' upstreams"),
            PeriodicTask(self.read_keys, KEYS_S, "reading of the providers' keys", delayed=True),
        )

    def start(self) -> None:
        for task in self._tasks:
            task.start()

    async def close(self) -> None:
        for task in self._tasks:
            await task.close()

    async def read_keys(self) -> None:
        """Takes keys whose files have changed."""
        upstreams = [each for each in self._all() if each.credential.can_change]
        if upstreams:
            for upstream in await asyncio.to_thread(_refresh, upstreams):
                upstream.readmit()

    async def ask(self) -> None:
        """Asks each upstream once; equal ones (of several models) together."""
        groups: dict[tuple[int, bytes], list[tuple[UpstreamCaller, Upstream]]] = {}
        for caller, upstream, engine in self._checked():
            if upstream.credential.problem is None:
                key = (id(upstream.pool), list_request(upstream, engine))
                groups.setdefault(key, []).append((caller, upstream))
        checks = [self._ask(request, group) for (_, request), group in groups.items()]
        await asyncio.gather(*checks)

    async def _ask(self, request: bytes, upstreams: list[tuple[UpstreamCaller, Upstream]]) -> None:
        problem = await probe(upstreams[0][1], request)
        for caller, upstream in upstreams:
            if problem is None:
                _note_answer(caller, upstream)
            elif isinstance(problem, UpstreamUnreachable):
                caller.note(upstream, problem)
            else:
                upstream.last_problem, upstream.failed_at = problem, self._now()


def _note_answer(caller: UpstreamCaller, upstream: Upstream) -> None:
    """It can be reached. That shows nothing of other failures for which it is left out."""
    if not upstream.is_out or isinstance(upstream.last_problem, UpstreamUnreachable):
        caller.note(upstream, None)


def list_request(upstream: Upstream, engine: str) -> bytes:
    """The request for the list of the provider's models."""
    path, headers = _LISTS[engine]
    return upstream.get(path, headers)


async def probe(upstream: Upstream, request: bytes) -> Problem | None:
    """What is wrong with the upstream; None: it answers."""
    until = asyncio.get_running_loop().time() + TIMEOUT_S
    try:
        connection, exchange = await upstream.pool.send(request, 1 << 20, until, TIMEOUT_S)
    except HttpFault as fault:
        return fault_problem(upstream.source, fault)
    except TimeoutError:
        return unreadable(upstream.source, "gave no answer in time")
    except PoolExhausted:
        return None  # it is in use
    status = exchange.status
    upstream.pool.release(connection, exchange)
    if status < 300 or status in _REACHABLE:
        return None
    return error_problem(upstream.source, status, {}, UpstreamError())


def _refresh(upstreams: list[Upstream]) -> list[Upstream]:
    """Those that have another key now. Reads files."""
    return [upstream for upstream in upstreams if upstream.credential.refresh()]
