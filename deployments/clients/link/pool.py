"""The links of one process to the replicas of one deployment.

In: the running replicas, as routers report them. Out: the connection of a replica, where there is
one; meanwhile handles carry its calls. A link is kept to every running replica. One that is not
listed any more gets no new calls, and its link ends when its open calls have.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from cluster.balancing.replica_set import ReplicaSet
from cluster.runtime.background import create_detached_task
from deployments.clients.link.client import ClientConnection
from deployments.clients.link.replica_link import LinkSettings, ReplicaLink

_PING_S = 1.0


@dataclass(frozen=True, slots=True)
class LinkStats:
    """`links` are up now. Counts since the start of the process: links that were `opened`, attempts
    that have `failed`, and calls that went `by_handle` although links are configured."""

    links: int
    opened: int
    failed: int
    by_handle: int


class LinkPool:
    """Used on one event loop, that of the first call of `active`."""

    def __init__(self, replicas: ReplicaSet, settings: LinkSettings) -> None:
        self.by_handle = 0
        self._opened = self._failed = 0  # of links that are gone
        self._replicas = replicas
        self._settings = settings
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._links: dict[str, ReplicaLink] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        replicas.subscribe(self._notice)

    def active(self) -> bool:
        """Whether replicas are known, to which there may be links."""
        if self._loop is None and not self._closed:
            self._loop = asyncio.get_running_loop()
            self._sync()
        return bool(self._links)

    def find(self, replica: str) -> ClientConnection | None:
        """The replica's link, where it is up and takes calls."""
        link = self._links.get(replica)
        connection = None if link is None else link.connection
        return connection if connection is not None and connection.takes_calls else None

    def stats(self) -> LinkStats:
        links = self._links.values()
        return LinkStats(
            links=sum(link.connection is not None for link in links),
            opened=self._opened + sum(link.opened for link in links),
            failed=self._failed + sum(link.failed for link in links),
            by_handle=self.by_handle,
        )

    def ping_silent(self) -> None:
        """Pings, in the background, the replicas that were left out because they were silent."""
        for name in self._replicas.to_ping(_PING_S):
            self._track(create_detached_task(self._ping(name)))

    async def close(self) -> None:
        """End all links, and the calls over them."""
        self._closed = True
        links, self._links = self._links, {}
        closings: list[Awaitable[object]] = [link.close() for link in links.values()]
        for task in tuple(self._tasks):
            task.cancel()
            closings.append(asyncio.wait((task,)))
        await asyncio.gather(*closings)

    def _notice(self) -> None:
        """Replicas have come or gone; called in any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._sync)

    def _sync(self) -> None:
        if self._closed:
            return
        listed = self._replicas.replicas
        for name in self._links.keys() - listed:
            link = self._links.pop(name)
            self._opened += link.opened
            self._failed += link.failed
            self._track(link.retire())
        for name in listed - self._links.keys():
            self._links[name] = ReplicaLink(name, self._settings)

    async def _ping(self, name: str) -> None:
        answered = False
        try:
            link = self._links.get(name)
            answered = link is not None and await link.is_alive(_PING_S)
        finally:
            self._replicas.ponged(name, answered=answered)

    def _track(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
