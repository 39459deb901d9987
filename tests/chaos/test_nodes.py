"""A cluster of three Ray nodes that loses its head, and then a node, under load.

The head runs no replicas and keeps its state in a Redis. Every request is sent once: what fails has
failed. `./mobula bench nodes` measures the same, longer, and jobs that run on the lost node.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from cluster.ops.environment import NODE_LOST_S
from cluster.ops.gcs_store import GcsStore
from load_tests.benchmarks.common.local_nodes import LocalNodes, responds
from load_tests.benchmarks.faults.node_traffic import TrafficRecord, run_traffic
from tests.servers.postgres import PostgresServer
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.exhaustive  # three nodes take a minute to start, lose and replace
MODEL, MODELS = "Model:echo", 4
GRAPH = {
    "models": [{"id": "echo", "engine": "echo", "num_cpus": 0.1, "replicas": MODELS}],
    "ingress": {"num_cpus": 0.1, "replicas": 2},
    "limiter": {"authority": "embedded"},
    "cache": {"shared": "embedded"},
    "video": {"enabled": False},
    "text": {"enabled": False},
}
AWAY_S = 5.0
NOTICED_S = NODE_LOST_S + 4.0  # Ray gives the node up, Serve takes its replicas out
BACK_S = 90.0


@pytest.fixture(scope="module")
def nodes() -> Iterator[LocalNodes]:
    with PostgresServer() as store, RedisServer() as redis:
        gcs = GcsStore(redis.url, "test")
        with LocalNodes(2, gcs=gcs, MOBULA_DATABASE_URL=store.new_database()) as nodes:
            nodes.deploy(GRAPH)
            yield nodes


def test_every_worker_runs_replicas_and_the_head_runs_none(nodes: LocalNodes) -> None:
    head, *workers = nodes.nodes
    assert head.replicas() == []
    assert all(worker.replicas(MODEL) for worker in workers)
    assert sum(nodes.spread("Ingress").values()) == 2


async def test_a_lost_head_is_not_felt_and_takes_over_again(nodes: LocalNodes) -> None:
    replicas = [worker.replicas() for worker in nodes.workers]
    async with run_traffic([each.url for each in nodes.workers], nodes.key) as record:
        await asyncio.sleep(1.0)
        gone = time.monotonic()
        await asyncio.to_thread(nodes.head.kill)
        await asyncio.sleep(AWAY_S)
        ready = [await asyncio.to_thread(responds, each.url) for each in nodes.workers]
        await asyncio.to_thread(nodes.start_head)
        await until(nodes, nodes.head.has_controller)
        replicas_after = [worker.replicas() for worker in nodes.workers]
        os.kill(nodes.workers[0].replicas(MODEL)[0], signal.SIGKILL)
        before_the_fault = time.monotonic()
        await until(nodes, lambda: replicas_of(nodes, MODEL) == MODELS)

    report("head away", record, gone)
    assert record.failures(gone, before_the_fault - 1.0) == []
    assert record.answered(gone) > 0
    assert ready == [True, True]
    assert replicas_after == replicas


async def test_a_lost_node_costs_nothing_once_it_is_noticed(nodes: LocalNodes) -> None:
    stays, lost = sorted(nodes.workers, key=lambda node: len(node.replicas("Limiter")))
    whole = replicas_of(nodes, "")
    await until(nodes, lambda: responds(nodes.head.url))
    async with run_traffic([nodes.head.url, stays.url], nodes.key) as record:
        await asyncio.sleep(1.0)
        at = time.monotonic()
        await asyncio.to_thread(lost.kill)
        await until(nodes, lambda: len(stays.replicas()) >= whole)
        await asyncio.sleep(max(0.0, NOTICED_S + 3.0 - (time.monotonic() - at)))

    report("node lost", record, at)
    assert record.failures(at + NOTICED_S) == []
    assert record.answered(at + NOTICED_S) > 0
    assert len(stays.replicas(MODEL)) == MODELS


def replicas_of(nodes: LocalNodes, deployment: str) -> int:
    return sum(nodes.spread(deployment).values())


async def until(nodes: LocalNodes, holds: object) -> None:
    await asyncio.to_thread(nodes.wait_for, holds, "the cluster to be whole", BACK_S)


def report(fault: str, record: TrafficRecord, since: float) -> None:
    failed = record.failures(since - 1.0)
    last = max((call.sent - since for call in failed), default=0.0)
    why = Counter((call.status, call.error) for call in failed).most_common(3)
    print(  # noqa: T201
        f"{fault}: {record.answered(since)} answered, {len(failed)} failed (the last sent after "
        f"{last:.1f} s), slowest {record.slowest_s(since - 1.0):.2f} s {why or ''}"
    )
