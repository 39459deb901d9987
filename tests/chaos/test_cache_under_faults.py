"""The cache while its shared tier is frozen, flushed, killed or poisoned, or a replica is killed.

The tier's cluster has two ingress replicas; they share responses through a Redis first and through
the deployment `Cache-0` then. Requests go to the replicas' own ports, so it is known which of them
answers. Figures are printed, and only bounds that hold on a busy machine are asserted.
"""

import asyncio
import itertools
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import httpx
import pytest
from redis.asyncio import Redis

from tests.chaos.cache_traffic import (
    CACHED_ONLY,
    Response,
    ask,
    computed,
    fresh,
    halves,
    more,
    shared,
    traffic,
    up,
    warm,
)
from tests.chaos.cluster_process import ClusterProcess
from tests.chaos.killed_leader import FOLLOWERS, kill_leader
from tests.chaos.redis_cache import answers, flights, holds, is_clean, publishing, swap
from tests.cluster.polling import eventually
from tests.cluster.tenants import make_tenant
from tests.servers.redis_server import RedisServer

FELT_S = 0.5  # what a fault may add to half of the misses, on a machine that does other things
LEASE_S = 2.0  # of a lease, deployments/cache/single_flight/coalescing.py
SEEN_S = 1.0  # within which every replica knows of an invalidation


@pytest.fixture
async def client(cluster: ClusterProcess) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {cluster.key}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
    async with httpx.AsyncClient(
        base_url=cluster.url, headers=headers, limits=limits, timeout=30
    ) as client:
        yield client


@pytest.mark.exhaustive
async def test_a_frozen_redis_adds_little_to_a_miss_and_is_used_again(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    one, other = addresses = await up(cluster, client)
    hot = await warm(client, addresses)
    async with traffic(client, addresses, hot) as responses:
        frozen = await more(responses, 300)
        redis_server.freeze()
        try:
            thawed = await more(responses, 600)
        finally:
            redis_server.thaw()
        await eventually(lambda: shared(client, one, other), timeout_s=30)
        back = time.monotonic()
        await more(responses, 100)
    _, before = halves(responses, hot, 0.0, frozen)
    hits, misses = halves(responses, hot, frozen, thawed)
    usual = statistics.median(each.took for each in before)
    added = [each.took - usual for each in misses]
    print(  # noqa: T201
        f"frozen: a miss takes {usual * 1e3:.1f} ms, and during {len(misses)} misses at most "
        f"{max(added) * 1e3:.1f} ms more (median {statistics.median(added) * 1e3:+.1f} ms), a hit "
        f"at most {max(hit.took for hit in hits) * 1e3:.1f} ms; back after {back - thawed:.2f} s"
    )
    assert statistics.median(added) <= FELT_S
    assert {hit.by.rpartition("=")[2] for hit in hits} == {"l1"}


@pytest.mark.exhaustive
async def test_claims_that_a_frozen_redis_gave_too_late_hold_up_nobody_for_long(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    one, other = await up(cluster, client)
    redis_server.freeze()
    try:
        missed = await asyncio.gather(*(ask(client, one, fresh()) for _ in range(8)))
    finally:
        redis_server.thaw()
    again = await asyncio.gather(*(ask(client, other, each.prompt) for each in missed))
    print(f"thawed: the slowest of them took {max(each.took for each in again):.2f} s")  # noqa: T201
    assert all(each.right for each in [*missed, *again])
    assert max(each.took for each in again) <= LEASE_S + FELT_S


@pytest.mark.exhaustive
async def test_a_redis_flushed_in_mid_traffic_costs_only_misses(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    one, other = addresses = await up(cluster, client)
    hot, lost = await warm(client, addresses), await warm(client, [one])
    async with traffic(client, addresses, hot) as responses:
        flushed = await more(responses, 200)
        redis_server.flush()
        again = [await ask(client, other, prompt) for prompt in lost]
        await eventually(lambda: shared(client, one, other))
        end = await more(responses, 200)
    hits, misses = halves(responses, hot, flushed, end)
    assert {each.by.rpartition("=")[2] for each in hits} == {"l1"}
    assert {each.by for each in [*again, *misses]} == {"mobula;fwd=miss;stored"}
    assert all(each.right for each in again)


@pytest.mark.exhaustive
async def test_an_invalidation_is_heeded_while_redis_is_dead_and_after_it_is_back_with_old_answers(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    one, other = addresses = await up(cluster, client)
    hot, cut = await warm(client, addresses), fresh()
    prompts = {f"post:{uuid.uuid4().hex}": fresh() for _ in range(12)}
    tags = {tag: {"Mobula-Cache-Tags": tag} for tag in prompts}
    invalidated_at, last = dict.fromkeys(tags, 0.0), dict.fromkeys(tags, 0.0)
    going = True

    async def watch(address: str) -> None:
        while going:
            for tag, prompt in prompts.items():
                response = await ask(client, address, prompt, tags[tag] | CACHED_ONLY)
                assert response.right or response.status == 504
                last[tag] = response.sent if response.right else last[tag]

    async def tell(some: Iterable[str]) -> None:
        for tag in some:
            path = "/api/v1/cache/invalidations"
            (await client.post(path, json={"tag": tag})).raise_for_status()
            invalidated_at[tag] = time.monotonic()

    for (tag, prompt), address in itertools.product(prompts.items(), addresses):
        await ask(client, address, prompt, tags[tag])
    first, *_, latest = prompts
    async with traffic(client, addresses, hot), Redis.from_url(redis_server.url) as redis:
        begun: list[str] = []
        slow = asyncio.create_task(ask(client, one, cut, tags[latest], model="slow", begun=begun))
        await eventually(lambda: begun)
        old = {key: (await redis.dump(key), await redis.pttl(key)) for key in await answers(redis)}
        watching = [asyncio.create_task(watch(address)) for address in addresses]
        await eventually(lambda: all(last.values()))
        await tell([first])
        redis_server.kill()
        await tell(list(tags)[1:])
        await eventually(lambda: time.monotonic() - max(invalidated_at.values()) > 2 * SEEN_S)
        assert (await slow).right
        redis_server.restart()
        await redis.connection_pool.disconnect()
        for key, (value, ttl_ms) in old.items():
            await redis.restore(key, ttl_ms, value, replace=True)
        await eventually(lambda: shared(client, one, other), timeout_s=30)
        back = time.monotonic()
        await eventually(lambda: time.monotonic() - back > SEEN_S)
        going = False
        await asyncio.gather(*watching)
        assert await redis.exists(*old) == len(old) >= len(prompts)
        wish = tags[latest] | CACHED_ONLY
        cached = [await ask(client, address, cut, wish, model="slow") for address in addresses]
        anew = [await ask(client, other, prompt, tags[tag]) for tag, prompt in prompts.items()]
    lags = [last[tag] - invalidated_at[tag] for tag in tags]
    print(f"invalidated: served for at most {max(lags):.2f} s more")  # noqa: T201
    assert max(lags) <= 2 * SEEN_S  # the machine does other things, too
    assert {each.status for each in cached} == {504}
    assert all(each.right and ";fwd=" in each.by for each in anew)


@pytest.mark.exhaustive
async def test_a_poisoned_redis_gives_nobody_an_answer_of_another_tenant_or_request(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    one, other = addresses = await up(cluster, client)
    tenants = [(await make_tenant(client)).headers for _ in "12"]
    redis_server.flush()

    async def send_all(
        address: str, requests: Sequence[tuple[str, Mapping[str, str]]]
    ) -> list[Response]:
        return [await ask(client, address, prompt, whose) for prompt, whose in requests]

    async with Redis.from_url(redis_server.url) as redis:
        requests = [(fresh(), whose) for _ in range(6) for whose in tenants]
        requests += [("what both of them ask", whose) for whose in tenants]
        await send_all(one, requests)
        await eventually(lambda: holds(redis, len(requests)))
        before, poison = await computed(client, "echo"), await swap(redis)
        responses = await send_all(other, requests)
        assert {each.by for each in responses} == {"mobula;fwd=miss;stored"}
        assert all(each.right for each in responses)
        assert await computed(client, "echo") - before == len(requests)
        await eventually(lambda: is_clean(redis, poison))
        async with traffic(client, addresses, await warm(client, addresses)):
            for _ in range(6):
                requests = [(fresh(), whose) for _ in range(4) for whose in tenants]
                await send_all(one, requests)
                await swap(redis)
                assert all(each.right for each in await send_all(other, requests))


@pytest.mark.exhaustive
async def test_a_poisoned_log_of_a_stream_gives_its_followers_nothing_of_another_tenant(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    one, other = await up(cluster, client)
    requests = [(fresh(), (await make_tenant(client)).headers) for _ in "12"]
    before = await computed(client, "slow")

    def stream(address: str) -> list[asyncio.Task[Response]]:
        calls = (ask(client, address, *each, model="slow", begun=[]) for each in requests)
        return [asyncio.create_task(each) for each in calls]

    async with Redis.from_url(redis_server.url) as redis:
        leading = stream(one)
        await eventually(lambda: publishing(redis, len(requests)))
        mine, theirs = [await redis.lrange(key, 1, -1) for key in await flights(redis)]
        for key, frames in zip(await flights(redis), (theirs, mine), strict=True):
            for at, frame in enumerate(frames[: min(len(mine), len(theirs))], start=1):
                await redis.lset(key, at, frame)
        responses = await asyncio.gather(*stream(other), *leading)
    assert all(each.right for each in responses)
    assert await computed(client, "slow") - before == 2 * len(requests)


@pytest.mark.exhaustive
async def test_a_killed_leader_hands_over_to_who_follows_it_through_redis(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    async with Redis.from_url(redis_server.url) as redis:

        async def followed() -> bool:
            return bool(await redis.keys("mobula:cache:*:followers"))

        await kill_leader(cluster, client, None, followed)


async def test_a_killed_cache_shard_fails_no_request_and_is_used_again(
    embedded: ClusterProcess, client: httpx.AsyncClient
) -> None:
    one, other = addresses = await up(embedded, client)
    hot, lost = await warm(client, addresses), iter(await warm(client, [one], 100))
    async with traffic(client, [embedded.url], hot) as responses:
        await more(responses, 200)
        await asyncio.to_thread(embedded.kill_one, "Cache-0")
        killed = time.monotonic()

        async def is_gone() -> bool:
            return (await ask(client, other, next(lost), CACHED_ONLY)).status == 504

        await eventually(is_gone)
        await eventually(lambda: shared(client, one, other), timeout_s=40)
        await eventually(lambda: shared(client, other, one))
        back = time.monotonic()
        await more(responses, 100)
    hits, misses = halves(responses, hot, killed, back)
    print(  # noqa: T201
        f"cache shard killed: used again after {back - killed:.2f} s; until then "
        f"{len(misses)} misses took at most {1e3 * max(each.took for each in misses):.1f} ms"
    )
    assert {each.by.rpartition("=")[2] for each in hits} <= {"l1", "l2"}


@pytest.mark.exhaustive
async def test_a_killed_leader_hands_its_streams_over_through_the_cache_shard(
    embedded: ClusterProcess, client: httpx.AsyncClient
) -> None:
    begun: list[str] = []
    await kill_leader(embedded, client, begun, lambda: len(begun) == FOLLOWERS)
