"""Kills the ingress replica that computes an answer for which others wait at another replica."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import httpx

from tests.chaos.cache_traffic import Response, ask, computed, fresh, up
from tests.chaos.cluster_process import ClusterProcess
from tests.cluster.polling import eventually

FOLLOWERS = 10


async def kill_leader(
    cluster: ClusterProcess,
    client: httpx.AsyncClient,
    begun: list[str] | None,
    followed: Callable[[], object],
) -> None:
    """The followers at the other replica get what it computed for itself in the leader's place."""
    one, other = await up(cluster, client)
    processes = await asyncio.to_thread(cluster.ingress_addresses, 2)
    before, prompt = await computed(client, "slow"), fresh()

    async def leads() -> bool:
        return await computed(client, "slow") > before

    def request(address: str, begun: list[str] | None) -> asyncio.Task[Response]:
        return asyncio.create_task(ask(client, address, prompt, model="slow", begun=begun))

    leading = request(one, None if begun is None else [])
    await eventually(leads)
    following = [request(other, begun) for _ in range(FOLLOWERS)]
    await eventually(followed)
    os.kill(processes[one], signal.SIGKILL)
    killed = time.monotonic()
    responses = await asyncio.gather(*following)
    print(f"leader killed: answers after {time.monotonic() - killed:.2f} s")  # noqa: T201
    assert all(each.right for each in responses)
    assert not (await leading).right
    assert await computed(client, "slow") - before == 2
