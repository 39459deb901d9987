"""Requests go around Serve's wrapper, and keep what it gave them; in the plain profile, through it.

`Held` is served as Mobula's ingress is, and says what an ingress would not tell.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster import held
from tests.cluster.polling import eventually

FAST = os.environ.get("MOBULA_TEST_PROFILE", "fast") == "fast"
CHAT = "/v1/chat/completions"
OURS = "an-id-of-the-client"


@pytest.fixture(scope="module")
def held_cluster(cluster: LocalServe) -> Iterator[LocalServe]:
    held.deploy(cluster)
    yield cluster
    held.remove()


async def is_around(way: Callable[[], Awaitable[str]]) -> bool:
    return await way() == "around"


async def left(client: httpx.AsyncClient) -> int:
    """How many connections the application has seen leave."""
    return int((await client.get(f"{held.PREFIX}/way")).text.split()[1])


@pytest.mark.every_profile
async def test_the_way_of_a_request(held_cluster: LocalServe, client: httpx.AsyncClient) -> None:
    """HAProxy asks Serve's own proxy until it has found a new replica healthy."""

    async def way() -> str:
        return (await client.get(f"{held.PREFIX}/way")).text.split()[0]

    if FAST:
        await eventually(lambda: is_around(way))
    assert await way() == ("around" if FAST else "through")


@pytest.mark.every_profile
async def test_a_websocket_is_served_and_its_end_noticed(
    held_cluster: LocalServe, client: httpx.AsyncClient
) -> None:
    before = await left(client)
    address = held_cluster.url.replace("http://", "ws://") + f"{held.PREFIX}/echo"
    async with connect(address) as socket:
        for text in ("one", "two"):
            await socket.send(text)
            assert await socket.recv() == text.upper()
        socket.transport.abort()

    async def noticed() -> bool:
        return await left(client) == before + 1

    await eventually(noticed)


@pytest.mark.every_profile
async def test_a_websocket_to_mobula_is_refused(held_cluster: LocalServe) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(held_cluster.url.replace("http://", "ws://") + "/v1/realtime")

    assert refused.value.response.status_code == 403


@pytest.mark.every_profile
async def test_open_requests_scale_the_ingress(
    held_cluster: LocalServe, client: httpx.AsyncClient
) -> None:
    async def replicas(count: int) -> bool:
        return held.running() == count

    await eventually(lambda: replicas(1), timeout_s=30)
    writers = await held.hold(held_cluster.url, 2 * held.TARGET)
    await eventually(lambda: replicas(2), timeout_s=60)
    for writer in writers:
        writer.close()
    await eventually(lambda: replicas(1), timeout_s=90)


@pytest.mark.parametrize("headers", [{}, {"X-Request-ID": OURS}])
async def test_each_kind_of_response_has_one_request_id(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    message = {"role": "user", "content": f"ids {len(headers)}"}
    body = {"model": "echo", "messages": [message], "temperature": 0}
    for changes in ({}, {}, {"stream": True}, {"temperature": 1.0}):
        answer = await client.post(CHAT, json=body | changes, headers=headers)

        [request_id] = answer.headers.get_list("x-request-id")
        assert answer.status_code == 200
        assert request_id == OURS if headers else request_id.startswith("req_")


async def test_headers_that_steer_serve_steer_nothing(
    client: httpx.AsyncClient, cluster: LocalServe
) -> None:
    """At the port of a replica, which no HAProxy guards."""
    [address, *_] = cluster.wait_for_ingress(1)
    steering = {
        "x-request-timeout-seconds": "0.001",
        "x-request-disconnect-disabled": "?1",
        "serve_multiplexed_model_id": "other",
        "x-session-id": "replica",
    }
    body = {"model": "slow", "messages": [{"role": "user", "content": "steer me"}]}
    answer = await client.post(f"{address}{CHAT}", json=body, headers=steering)

    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "steer me"


async def test_a_refusal_of_haproxy_is_in_its_log(
    client: httpx.AsyncClient, cluster: LocalServe
) -> None:
    await client.request("QUERY", "/version", headers={"X-Request-ID": "refused-by-haproxy"})

    async def logged() -> bool:
        files = (cluster.home / "logs").glob("haproxy-*.log")
        lines = [line for file in files for line in file.read_text().splitlines()]
        found = [json.loads(line) for line in lines if "refused-by-haproxy" in line]
        return [line["status"] for line in found] == [501]

    await eventually(logged)


@pytest.mark.every_profile
async def test_requests_are_counted_by_us(client: httpx.AsyncClient) -> None:
    await client.get("/nowhere")
    families = ("mobula_running", "mobula_dependency_up", "mobula_process_threads")
    scrapes: list[str] = []

    async def has_all() -> bool:
        """A replica whose first report takes longer than a scrape may is in the next one."""
        scrapes.append((await client.get("/metrics")).text)
        return all(f"\n{family}{{" in scrapes[-1] for family in families)

    await eventually(has_all)

    metrics = scrapes[-1]
    assert 'mobula_http_requests_total{route="other",method="GET",code="404",' in metrics
    opened = re.findall(r"^mobula_http_open_requests\{.*\} (\d+)$", metrics, re.M)
    assert sum(map(int, opened)) == 1, "the one that asks"
    assert f'mobula_scrape_replicas{{deployment="Ingress"}} {len(opened)}' in metrics
    assert not re.search(r"^mobula_scrape_missing_replicas\{.*\} [1-9]", metrics, re.M)
